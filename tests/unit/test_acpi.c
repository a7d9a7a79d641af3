/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The AML writer against bytes worked out by hand, and the tables by walking them as a guest would.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/acpi/acpi.h"
#include "engine/acpi/aml.h"
#include "engine/vmm/gmem.h"
#include "engine/vmm/layout.h"

static void expect(const struct aml *aml, const void *bytes, size_t len)
{
	assert_false(aml->overflow);
	assert_int_equal(aml->len, len);
	assert_memory_equal(aml->bytes, bytes, len);
}
#define EXPECT(aml, literal) expect(aml, literal, sizeof literal - 1)

static void aml_takes_the_shortest_constant(void **state)
{
	(void)state;
	uint8_t buffer[64];
	struct aml aml;
	aml_init(&aml, buffer, sizeof buffer);
	aml_int(&aml, 0);
	aml_int(&aml, 1);
	aml_int(&aml, 2);
	aml_int(&aml, 0x100);
	aml_int(&aml, 0x10000);
	aml_int(&aml, 0x100000000);
	EXPECT(&aml, "\x00\x01\x0a\x02\x0b\x00\x01\x0c\x00\x00\x01\x00\x0e\0\0\0\0\x01\0\0\0");
}

static void aml_writes_names_and_ids(void **state)
{
	(void)state;
	uint8_t buffer[64];
	struct aml aml;
	aml_init(&aml, buffer, sizeof buffer);
	aml_path(&aml, "\\_SB");
	aml_path(&aml, "\\_SB.PCI0");
	aml_path(&aml, "A.B.C");
	EXPECT(&aml, "\\_SB_"
		     "\\\x2e_SB_PCI0"
		     "\x2f\x03"
		     "A___B___C___");
	aml_init(&aml, buffer, sizeof buffer);
	aml_eisaid(&aml, "PNP0A08");
	EXPECT(&aml, "\x0c\x41\xd0\x0a\x08");
}

static void aml_lengths_count_themselves(void **state)
{
	(void)state;
	static uint8_t buffer[0x20000];
	/* sizes around which the form changes: content, form, first bytes */
	const struct {
		size_t body, head;
		uint8_t bytes[3];
	} cases[] = {
		{58, 1, {0x3f}}, /* with the name, 62 and itself */
		{59, 2, {0x41, 0x04}},
		{0xffd - 4, 2, {0x4f, 0xff}},
		{0xffe - 4, 3, {0x81, 0x00, 0x01}},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct aml aml;
		aml_init(&aml, buffer, sizeof buffer);
		size_t block = aml_scope(&aml, "ABCD");
		for (size_t n = 0; n < cases[i].body; n++)
			aml_byte(&aml, 0xa3);
		aml_close(&aml, block);
		assert_int_equal(aml.len, 1 + cases[i].head + 4 + cases[i].body);
		assert_memory_equal(buffer + 1, cases[i].bytes, cases[i].head);
		assert_memory_equal(buffer + 1 + cases[i].head, "ABCD", 4);
	}
}

static void aml_overflow_sticks_and_writes_nothing_outside(void **state)
{
	(void)state;
	for (size_t room = 0; room < 600; room++) {
		uint8_t *buffer = malloc(room + 1); /* of exact size: ASan sees a step beyond it */
		struct acpi_config config = {.serial = true, .rtc = true};
		struct aml aml;
		assert_non_null(buffer);
		buffer[room] = 0x5a;
		aml_init(&aml, buffer, room);
		acpi_dsdt(&aml, &config);
		assert_int_equal(buffer[room], 0x5a);
		assert_true(aml.len <= room);
		free(buffer);
	}
}

struct tables {
	struct gmem mem;
	uint64_t rsdp;
};

static uint8_t sum(const uint8_t *bytes, size_t len)
{
	uint8_t total = 0;
	while (len--)
		total += *bytes++;
	return total;
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;
	memcpy(&value, at, sizeof value);
	return value;
}

static uint64_t get64(const uint8_t *at)
{
	uint64_t value;
	memcpy(&value, at, sizeof value);
	return value;
}

static void build(struct tables *tables, int n_cpus)
{
	static uint8_t apic_ids[64];
	for (int i = 0; i < 64; i++)
		apic_ids[i] = (uint8_t)(2 * i);
	struct gmem_config memory = {.size_bytes = 16 << 20};
	struct acpi_config config = {
		.n_cpus = n_cpus, .apic_ids = apic_ids, .serial = true, .rtc = true};
	assert_int_equal(gmem_init(&tables->mem, &memory, NULL), 0);
	assert_int_equal(acpi_build(&tables->mem, &config, &tables->rsdp, NULL), 0);
}

/* By the road that a guest takes: RSDP, XSDT, table; the DSDT through the FADT. */
static const uint8_t *find_table(struct tables *tables, const char *signature)
{
	const uint8_t *rsdp = gmem_ptr(&tables->mem, tables->rsdp, 36);
	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_int_equal(sum(rsdp, 20), 0);
	assert_int_equal(sum(rsdp, 36), 0);
	const uint8_t *xsdt = gmem_ptr(&tables->mem, get64(rsdp + 24), 36);
	assert_int_equal(sum(xsdt, get32(xsdt + 4)), 0);
	for (uint32_t at = 36; at < get32(xsdt + 4); at += 8) {
		const uint8_t *table = gmem_ptr(&tables->mem, get64(xsdt + at), 36);
		assert_non_null(table);
		assert_int_equal(sum(table, get32(table + 4)), 0);
		assert_int_equal((uintptr_t)table % 16, 0);
		if (memcmp(table, "FACP", 4) == 0 && strcmp(signature, "DSDT") == 0)
			table = gmem_ptr(&tables->mem, get64(table + 140), 36);
		if (memcmp(table, signature, 4) == 0)
			return table;
	}
	return NULL;
}

static void madt_lists_every_cpu_and_the_ioapic(void **state)
{
	(void)state;
	struct tables tables;
	build(&tables, 64);
	const uint8_t *madt = find_table(&tables, "APIC");
	assert_non_null(madt);
	int cpus = 0, ioapics = 0;
	for (uint32_t at = 44; at < get32(madt + 4); at += madt[at + 1]) {
		if (madt[at] == 0) {
			assert_int_equal(madt[at + 3], 2 * cpus);
			assert_int_equal(get32(madt + at + 4), 1);
			cpus++;
		} else if (madt[at] == 1) {
			assert_int_equal(get32(madt + at + 4), LAYOUT_IOAPIC);
			ioapics++;
		}
	}
	assert_int_equal(cpus, 64);
	assert_int_equal(ioapics, 1);
	gmem_fini(&tables.mem);
}

static void fadt_is_reduced_hardware_with_our_registers(void **state)
{
	(void)state;
	struct tables tables;
	build(&tables, 1);
	const uint8_t *fadt = find_table(&tables, "FACP");
	assert_non_null(fadt);
	assert_int_equal(get32(fadt + 4), 276);
	assert_true(get32(fadt + 112) & 1u << 20);
	assert_int_equal(get64(fadt + 120), LAYOUT_POWER + LAYOUT_RESET);
	assert_int_equal(fadt[128], LAYOUT_RESET_VALUE);
	assert_int_equal(get64(fadt + 248), LAYOUT_POWER + LAYOUT_SLEEP_CONTROL);
	assert_int_equal(get64(fadt + 260), LAYOUT_POWER + LAYOUT_SLEEP_STATUS);
	const uint8_t *mcfg = find_table(&tables, "MCFG");
	assert_non_null(mcfg);
	assert_int_equal(get64(mcfg + 44), LAYOUT_ECAM);
	assert_int_equal(mcfg[55], 0);
	gmem_fini(&tables.mem);
}

/* Disassembles and looks for what must be there. */
static void dsdt_is_understood_by_iasl(void **state)
{
	(void)state;
	if (system("iasl -v >/dev/null 2>&1") != 0) {
		print_message("iasl is not installed (acpica-tools)\n");
		skip();
	}
	struct tables tables;
	build(&tables, 2);
	const uint8_t *dsdt = find_table(&tables, "DSDT");
	assert_non_null(dsdt);
	char folder[] = "/tmp/hvsh-acpi-XXXXXX", path[64], command[256];
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/dsdt.aml", folder);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(dsdt, get32(dsdt + 4), 1, file), 1);
	fclose(file);
	/* there and back: what was disassembled must also compile */
	snprintf(command, sizeof command,
		 "cd %s && iasl -d dsdt.aml >d.log 2>&1 && iasl dsdt.dsl >c.log 2>&1", folder);
	int disassembled = system(command);
	snprintf(command, sizeof command, "grep -q 'Notify (\\\\_SB.PWRB, 0x80)' %s/dsdt.dsl",
		 folder);
	int notified = system(command);
	snprintf(command, sizeof command, "rm -r %s", folder);
	int removed = system(command);
	gmem_fini(&tables.mem);
	assert_int_equal(disassembled, 0);
	assert_int_equal(notified, 0);
	assert_int_equal(removed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(aml_takes_the_shortest_constant),
		cmocka_unit_test(aml_writes_names_and_ids),
		cmocka_unit_test(aml_lengths_count_themselves),
		cmocka_unit_test(aml_overflow_sticks_and_writes_nothing_outside),
		cmocka_unit_test(madt_lists_every_cpu_and_the_ioapic),
		cmocka_unit_test(fadt_is_reduced_hardware_with_our_registers),
		cmocka_unit_test(dsdt_is_understood_by_iasl),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
