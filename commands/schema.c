/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The noun schema: everything that hvsh knows about itself, from the same tables that it runs by,
 * for programs (JSON, JSON Schema), and the control protocol's reference for people.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/client/protocol.h"
#include "plugins/registry.h"

static const char *settable_word(enum hv_settable set)
{
	static const char *const words[] = {"never", "create", "stopped", "always"};
	return words[set];
}

static const char *effect_word(enum hv_effect effect)
{
	static const char *const words[] = {"reads", "state", "data", "destroys"};
	return words[effect];
}

/* ---- everything, as JSON --------------------------------------------------------------------- */

static json_t *strings(const char *const *list)
{
	json_t *array = json_array();
	for (; list && *list; list++)
		json_array_append_new(array, json_string(*list));
	return array;
}

static void set_text(json_t *object, const char *key, const char *text)
{
	if (text)
		json_object_set_new(object, key, json_string(text));
}

static json_t *row_json(const struct hv_prop *row)
{
	json_t *object = json_pack("{s:s, s:s, s:s}", "name", row->name, "type",
				   hv_type_name(row->type), "help", row->help);
	set_text(object, "of", row->of);
	set_text(object, "unit", row->unit);
	set_text(object, "preset", row->preset);
	if (row->choices)
		json_object_set_new(object, "choices", strings(row->choices));
	if (row->max) {
		json_object_set_new(object, "min", json_integer(row->min));
		json_object_set_new(object, "max", json_integer(row->max));
	}
	if (row->flags & HV_P_REQUIRED)
		json_object_set_new(object, "required", json_true());
	if (row->flags & HV_P_MANY)
		json_object_set_new(object, "many", json_true());
	return object;
}

static json_t *rows_json(const struct hv_prop *row, bool settable)
{
	json_t *array = json_array();
	for (; row && row->type != HV_END; row++) {
		json_t *object = row_json(row);
		if (settable)
			set_text(object, "set", settable_word(row->set));
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *methods_json(const struct hv_method *method)
{
	json_t *array = json_array();
	for (; method && method->name; method++) {
		json_t *object = json_pack("{s:s, s:s, s:s, s:o}", "name", method->name, "help",
					   method->help, "effect", effect_word(method->effect),
					   "args", rows_json(method->args, false));
		if (method->from_states)
			json_object_set_new(object, "from_states", strings(method->from_states));
		set_text(object, "to_state", method->to_state);
		set_text(object, "inverse", method->inverse);
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *kind_json(const struct hv_kind *kind)
{
	json_t *object =
		json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", kind->name, "plural", kind->plural,
			  "help", kind->help, "properties", rows_json(kind->props, true), "methods",
			  methods_json(kind->methods));
	set_text(object, "owner", kind->owner);
	return object;
}

static json_t *command_json(const struct hv_command *command)
{
	json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "noun", command->noun,
				   "verb", command->verb, "summary", command->summary, "effect",
				   effect_word(command->effect), "arguments",
				   rows_json(command->args, false), "options",
				   rows_json(hv_command_options(command), false), "examples",
				   strings(command->examples));
	set_text(object, "aliases", command->aliases);
	set_text(object, "details", command->details);
	return object;
}

static json_t *fields_json(const struct protocol_field *field)
{
	json_t *array = json_array();
	for (; field && field->name; field++)
		json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:b}", "name", field->name,
						       "type", field->type, "help", field->help,
						       "optional", field->optional));
	return array;
}

static json_t *protocol_json(const struct protocol_method *method)
{
	json_t *array = json_array();
	for (; method->name; method++)
		json_array_append_new(array,
				      json_pack("{s:s, s:s, s:s, s:o, s:o}", "server",
						method->server == PROTOCOL_CHILD ? "vm" : "keeper",
						"name", method->name, "help", method->help, "args",
						fields_json(method->args), "result",
						fields_json(method->result)));
	return array;
}

static json_t *everything(void)
{
	json_t *kinds = json_array(), *commands = json_array();
	for (size_t i = 0; i < hv_kind_count(); i++)
		json_array_append_new(kinds, kind_json(hv_kind_at(i)));
	for (size_t i = 0; i < hv_command_count(); i++)
		json_array_append_new(commands, command_json(hv_command_at(i)));
	return json_pack("{s:i, s:o, s:o, s:{s:i, s:o, s:o}}", "abi_version", HV_ABI_VERSION,
			 "kinds", kinds, "commands", commands, "protocol", "version",
			 PROTOCOL_VERSION, "methods", protocol_json(hv_protocol_methods()),
			 "events", protocol_json(hv_protocol_events()));
}

static int print_json(struct hv_call *call, json_t *json, struct hv_error *err)
{
	char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
	int rc = text ? hv_call_text(call, text, strlen(text), err)
		      : hv_fail(err, HV_FAILED, 0, "out of memory");
	free(text);
	json_decref(json);
	return rc < 0 ? rc : hv_call_text(call, "\n", 1, err);
}

static int run_dump(struct hv_call *call, struct hv_error *err)
{
	return print_json(call, everything(), err);
}

/* ---- JSON Schema of a definition ------------------------------------------------------------- */

static json_t *definition_schema(const struct hv_kind *kind);

static json_t *type_schema(const struct hv_prop *row)
{
	switch (row->type) {
	case HV_BOOL:
		return json_pack("{s:s}", "type", "boolean");
	case HV_INT:
	case HV_TIME:
		return json_pack("{s:s}", "type", "integer");
	case HV_SIZE:
	case HV_DURATION:
	case HV_RATE:
	case HV_PERCENT: /* a number of the raw unit, or text with a unit */
		return json_pack("{s:[s,s]}", "type", "number", "string");
	case HV_LIST:
		return json_pack("{s:s, s:o}", "type", "array", "items",
				 row->of ? definition_schema(hv_kind_find(row->of))
					 : json_pack("{s:s}", "type", "string"));
	default:
		return json_pack("{s:s}", "type", "string");
	}
}

static json_t *row_schema(const struct hv_prop *row)
{
	json_t *schema = type_schema(row);
	set_text(schema, "description", row->help);
	if (row->choices)
		json_object_set_new(schema, "enum", strings(row->choices));
	if (row->max && row->type == HV_INT) {
		json_object_set_new(schema, "minimum", json_integer(row->min));
		json_object_set_new(schema, "maximum", json_integer(row->max));
	}
	return schema;
}

static json_t *definition_schema(const struct hv_kind *kind)
{
	json_t *properties = json_object(), *required = json_array();
	for (const struct hv_prop *row = kind->props; row->type != HV_END; row++) {
		if (row->set == HV_SET_NEVER)
			continue;
		json_object_set_new(properties, row->name, row_schema(row));
		if (row->flags & HV_P_REQUIRED)
			json_array_append_new(required, json_string(row->name));
	}
	return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties,
			 "required", required, "additionalProperties", 0);
}

static int run_definition(struct hv_call *call, struct hv_error *err)
{
	json_t *schema = definition_schema(hv_kind_find("vm"));
	json_object_set_new(schema, "$schema",
			    json_string("https://json-schema.org/draft/2020-12/schema"));
	json_object_set_new(schema, "title", json_string("hvsh VM definition"));
	return print_json(call, schema, err);
}

/* ---- for people ------------------------------------------------------------------------------ */

static void put_fields(FILE *out, const char *title, const struct protocol_field *field)
{
	for (; field && field->name; field++)
		fprintf(out, "  %-7s %-12s %-8s %s%s\n", title, field->name, field->type,
			field->optional ? "(optional) " : "", field->help);
}

static int run_protocol(struct hv_call *call, struct hv_error *err)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	if (!out)
		return hv_fail(err, HV_FAILED, errno, "cannot write the reference");
	for (const struct protocol_method *m = hv_protocol_methods(); m->name; m++) {
		fprintf(out, "%s (%s)\n  %s\n", m->name,
			m->server == PROTOCOL_CHILD ? "control.sock" : "keeper.sock", m->help);
		put_fields(out, "takes", m->args);
		put_fields(out, "gives", m->result);
		fputc('\n', out);
	}
	fclose(out);
	int rc = hv_call_text(call, text, len, err);
	free(text);
	return rc;
}

static const char *const dump_examples[] = {"schema dump",
					    "every kind, command and protocol method", NULL};
static const char *const definition_examples[] = {
	"schema definition", "a JSON Schema for editors that check YAML as you type", NULL};
static const char *const protocol_examples[] = {"schema protocol",
						"the control protocol of a running VM", NULL};

static const struct hv_command commands[] = {
	{.noun = "schema",
	 .verb = "dump",
	 .summary = "print all that hvsh knows of itself, as JSON",
	 .flags = HV_C_TEXT,
	 .examples = dump_examples,
	 .run = run_dump},
	{.noun = "schema",
	 .verb = "definition",
	 .summary = "print the JSON Schema of a VM's definition",
	 .flags = HV_C_TEXT,
	 .examples = definition_examples,
	 .run = run_definition},
	{.noun = "schema",
	 .verb = "protocol",
	 .summary = "print the reference of the control protocol",
	 .flags = HV_C_TEXT,
	 .examples = protocol_examples,
	 .run = run_protocol},
	{.noun = NULL},
};

HVSH_PLUGIN("schema", "1", "what hvsh knows of itself", .commands = commands);
