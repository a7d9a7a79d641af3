/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The control protocol: its table against those who serve it, its lines, and a client's view of bad
 * servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/client/client.h"
#include "engine/client/protocol_wire.h"
#include "engine/vmm/control.h"

static void every_method_of_the_child_is_served_and_no_other(void **state)
{
	(void)state;
	for (const struct protocol_method *m = protocol_methods; m->name; m++) {
		bool served = m->server != PROTOCOL_CHILD;
		for (const struct control_method *c = control_methods; c->name; c++)
			served |= strcmp(c->name, m->name) == 0;
		if (!served)
			fail_msg("%s is not served", m->name);
	}
	for (const struct control_method *c = control_methods; c->name; c++)
		assert_non_null(protocol_find(PROTOCOL_CHILD, c->name));
}

static void check_fields(const struct protocol_field *f)
{
	static const char *const types[] = {"string", "integer", "number", "size",
					    "bool",   "object",  "array"};
	for (; f && f->name; f++) {
		bool known = false;
		for (size_t i = 0; i < sizeof types / sizeof *types; i++)
			known |= strcmp(types[i], f->type) == 0;
		assert_true(known);
		assert_true(f->help && *f->help);
	}
}

static void the_table_describes_all_that_it_names(void **state)
{
	(void)state;
	const struct protocol_method *tables[] = {protocol_methods, protocol_events};
	for (size_t t = 0; t < 2; t++) {
		for (const struct protocol_method *m = tables[t]; m->name; m++) {
			assert_true(m->help && *m->help);
			check_fields(m->args);
			check_fields(m->result);
		}
	}
}

static void arguments_are_checked_against_the_table(void **state)
{
	struct hv_error err;
	(void)state;
	const struct protocol_method *m = protocol_find(PROTOCOL_KEEPER, "console");
	static const struct {
		const char *args;
		int code;
	} cases[] = {
		{"{}", -HV_USAGE},
		{"{\"console\":1}", -HV_USAGE},
		{"{\"console\":\"serial0\"}", 0},
		{"{\"console\":\"serial0\",\"scrollback\":-1}", -HV_USAGE},
		{"{\"console\":\"serial0\",\"scrollback\":10,\"later\":[]}", 0},
		{"[]", -HV_USAGE},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *args = json_loads(cases[i].args, 0, NULL);
		assert_int_equal(protocol_check_args(m, args, &err), cases[i].code);
		json_decref(args);
	}
	assert_int_equal(protocol_check_args(m, NULL, &err), -HV_USAGE);
}

static void errors_cross_field_by_field(void **state)
{
	struct hv_error out = {.code = HV_CONFLICT, .sys = 11}, in;
	(void)state;
	strcpy(out.message, "vm \"a\" is\033[31m red");
	strcpy(out.hint, "paint it");
	json_t *wire = wire_error(&out);
	wire_error_parse(wire, &in);
	assert_int_equal(in.code, HV_CONFLICT);
	assert_int_equal(in.sys, 11);
	assert_string_equal(in.message, "vm \"a\" is [31m red");
	assert_string_equal(in.hint, "paint it");
	json_decref(wire);
	/* a message that was cut inside a UTF-8 sequence is still an error */
	strcpy(out.message, "caf\xc3");
	wire = wire_error(&out);
	wire_error_parse(wire, &in);
	assert_int_equal(in.code, HV_CONFLICT);
	json_decref(wire);
	wire_error_parse(NULL, &in);
	assert_int_equal(in.code, HV_FAILED);
}

static void descriptors_come_with_their_line(void **state)
{
	struct hv_error err;
	struct wire wire;
	int pair[2], pipes[2];
	char c = 0;
	json_t *message = json_pack("{s:i}", "id", 1), *got;
	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(wire_send(pair[0], message, &pipes[1], 1, 0, &err), 0);
	wire_init(&wire, pair[1]);
	assert_int_equal(wire_next(&wire, &got, &err), 0);
	assert_int_equal(wire_fill(&wire, &err), 1);
	assert_int_equal(wire_next(&wire, &got, &err), 1);
	json_decref(got);
	int fd = wire_take_fd(&wire);
	assert_true(fd >= 0);
	assert_int_equal(wire_take_fd(&wire), -1);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(pipes[0], &c, 1), 1);
	close(fd);
	wire_fini(&wire);
	json_decref(message);
	close(pair[0]), close(pair[1]), close(pipes[0]), close(pipes[1]);
}

static void an_endless_line_is_refused(void **state)
{
	struct hv_error err;
	struct wire wire;
	int pair[2], ret = 0;
	char block[8192];
	(void)state;
	memset(block, 'a', sizeof block);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	wire_init(&wire, pair[1]);
	for (int i = 0; i < 100 && ret >= 0; i++) {
		assert_true(send(pair[0], block, sizeof block, 0) > 0);
		while ((ret = wire_fill(&wire, &err)) > 0)
			;
	}
	assert_int_equal(ret, -HV_LIMIT);
	assert_true(wire.capacity <= 4 * PROTOCOL_LINE_MAX);
	wire_fini(&wire);
	close(pair[0]), close(pair[1]);
}

static void a_client_refuses_other_servers_and_other_versions(void **state)
{
	static const struct {
		const char *greeting;
		int code;
	} cases[] = {
		{"{\"hello\":\"smtp\"}\n", -HV_FAILED},
		{"{\"hello\":\"hvsh-vmm\",\"version\":9,\"min_version\":9}\n", -HV_FAILED},
		{"220 mail.example.org\n", -HV_USAGE},
		{"{\"hello\":", -HV_TIMEOUT},
		{NULL, -HV_CONFLICT},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct hv_client *client;
		struct hv_error err;
		int pair[2];
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
		if (cases[i].greeting)
			assert_true(send(pair[0], cases[i].greeting, strlen(cases[i].greeting), 0) >
				    0);
		else
			shutdown(pair[0], SHUT_RDWR);
		assert_int_equal(hv_client_open_fd(&client, pair[1], "a", PROTOCOL_CHILD, 50, &err),
				 cases[i].code);
		close(pair[0]);
	}
}

static void a_call_without_an_answer_times_out_and_keeps_events(void **state)
{
	const char *said = "{\"hello\":\"hvsh-vmm\",\"version\":1,\"min_version\":1}\n"
			   "{\"event\":\"state\",\"data\":{\"state\":\"paused\"}}\n"
			   "{\"id\":77,\"result\":{}}\n";
	struct hv_client *client;
	struct hv_error err;
	json_t *event;
	int pair[2];
	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	assert_true(send(pair[0], said, strlen(said), 0) > 0);
	assert_int_equal(hv_client_open_fd(&client, pair[1], "a", PROTOCOL_CHILD, 1000, &err), 0);
	assert_int_equal(hv_client_call(client, "info", NULL, NULL, 0, NULL, 30, &err),
			 -HV_TIMEOUT);
	assert_non_null(strstr(err.message, "\"a\""));
	assert_int_equal(hv_client_event(client, &event, 0, &err), 1);
	json_decref(event);
	assert_int_equal(hv_client_event(client, &event, 0, &err), 0);
	hv_client_close(client);
	close(pair[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_method_of_the_child_is_served_and_no_other),
		cmocka_unit_test(the_table_describes_all_that_it_names),
		cmocka_unit_test(arguments_are_checked_against_the_table),
		cmocka_unit_test(errors_cross_field_by_field),
		cmocka_unit_test(descriptors_come_with_their_line),
		cmocka_unit_test(an_endless_line_is_refused),
		cmocka_unit_test(a_client_refuses_other_servers_and_other_versions),
		cmocka_unit_test(a_call_without_an_answer_times_out_and_keeps_events),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
