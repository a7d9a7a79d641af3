/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tables of fixed layout (ACPI 6.4, 5.2; PCI Firmware 3.3, 4.1.2), written in place:
 *
 *	LAYOUT_ACPI_START  RSDP │ DSDT │ FADT │ MADT │ MCFG │ XSDT
 */
#include "engine/acpi/acpi.h"

#include <string.h>

#include "engine/acpi/aml.h"
#include "engine/vmm/gmem.h"
#include "engine/vmm/layout.h"

#define TABLE_ALIGN 16
#define N_LISTED 3

struct table_header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum, reserved[3];
} __attribute__((packed));

struct address {
	uint8_t space, bits, offset, access;
	uint64_t address;
} __attribute__((packed));

struct fadt {
	struct table_header header;
	uint32_t firmware_ctrl, dsdt;
	uint8_t reserved0, preferred_profile;
	uint16_t sci_int;
	uint8_t unused0[61]; /* what full hardware has: ports, blocks, latencies */
	uint16_t iapc_boot_arch;
	uint8_t reserved1;
	uint32_t flags;
	struct address reset;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor_version;
	uint64_t x_firmware_ctrl, x_dsdt;
	struct address unused1[8];
	struct address sleep_control, sleep_status;
	uint64_t hypervisor;
} __attribute__((packed));

_Static_assert(offsetof(struct fadt, iapc_boot_arch) == 109, "ACPI 6.4, table 5.9");
_Static_assert(offsetof(struct fadt, sleep_control) == 244 && sizeof(struct fadt) == 276,
	       "ACPI 6.4, table 5.9");

#define FADT_REVISION 6
#define FADT_MINOR 4
#define FADT_WBINVD (1u << 0)
#define FADT_POWER_BUTTON (1u << 4) /* not a fixed feature: a device, or none */
#define FADT_SLEEP_BUTTON (1u << 5)
#define FADT_RESET_REGISTER (1u << 10)
#define FADT_HW_REDUCED (1u << 20)
#define BOOT_ARCH_NO_VGA (1u << 2)
#define BOOT_ARCH_NO_ASPM (1u << 4)
#define BOOT_ARCH_NO_RTC (1u << 5)

struct madt {
	struct table_header header;
	uint32_t lapic, flags;
} __attribute__((packed));

struct madt_lapic {
	uint8_t type, length, uid, apic_id;
	uint32_t flags;
} __attribute__((packed));

struct madt_ioapic {
	uint8_t type, length, id, reserved;
	uint32_t address, gsi_base;
} __attribute__((packed));

struct madt_lapic_nmi {
	uint8_t type, length, uid;
	uint16_t flags;
	uint8_t lint;
} __attribute__((packed));

struct mcfg {
	struct table_header header;
	uint64_t reserved0;
	uint64_t base;
	uint16_t segment;
	uint8_t first_bus, last_bus;
	uint32_t reserved1;
} __attribute__((packed));

/* Tables go one after the other into one piece of guest memory. */
struct builder {
	struct aml out;
	uint64_t listed[N_LISTED];
};

static uint8_t checksum(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint8_t sum = 0;
	while (len--)
		sum += *at++;
	return (uint8_t)-sum;
}

static struct table_header header(const char *signature, uint8_t revision)
{
	struct table_header h = {
		.revision = revision,
		.oem_id = {'H', 'V', 'S', 'H', ' ', ' '},
		.oem_table_id = {'H', 'V', 'S', 'H', 'V', 'M', ' ', ' '},
		.oem_revision = 1,
		.creator_id = {'H', 'V', 'S', 'H'},
		.creator_revision = 1,
	};
	memcpy(h.signature, signature, sizeof h.signature);
	return h;
}

static uint64_t begin(struct builder *b)
{
	static const uint8_t zeros[TABLE_ALIGN];
	aml_bytes(&b->out, zeros, -b->out.len % TABLE_ALIGN);
	return LAYOUT_ACPI_START + b->out.len;
}

/* The table from gpa to here: its length and sum. */
static void end(struct builder *b, uint64_t gpa)
{
	struct table_header h;
	if (b->out.overflow)
		return;
	uint8_t *table = b->out.bytes + (gpa - LAYOUT_ACPI_START);
	size_t len = b->out.len - (gpa - LAYOUT_ACPI_START);
	memcpy(&h, table, sizeof h);
	h.length = (uint32_t)len;
	memcpy(table, &h, sizeof h);
	h.checksum = checksum(table, len);
	memcpy(table, &h, sizeof h);
}

static uint64_t put_madt(struct builder *b, const struct acpi_config *config)
{
	uint64_t gpa = begin(b);
	struct madt madt = {.header = header("APIC", 5), .lapic = LAYOUT_LAPIC};
	struct madt_ioapic ioapic = {.type = 1, .length = sizeof ioapic, .address = LAYOUT_IOAPIC};
	struct madt_lapic_nmi nmi = {.type = 4, .length = sizeof nmi, .uid = 0xff, .lint = 1};
	aml_bytes(&b->out, &madt, sizeof madt);
	for (int i = 0; i < config->n_cpus; i++) {
		struct madt_lapic lapic = {.length = sizeof lapic,
					   .uid = (uint8_t)i,
					   .apic_id = config->apic_ids[i],
					   .flags = 1};
		aml_bytes(&b->out, &lapic, sizeof lapic);
	}
	aml_bytes(&b->out, &ioapic, sizeof ioapic);
	aml_bytes(&b->out, &nmi, sizeof nmi);
	end(b, gpa);
	return gpa;
}

static uint64_t put_mcfg(struct builder *b)
{
	uint64_t gpa = begin(b);
	struct mcfg mcfg = {.header = header("MCFG", 1),
			    .base = LAYOUT_ECAM,
			    .last_bus = LAYOUT_ECAM_LEN / 0x100000 - 1};
	aml_bytes(&b->out, &mcfg, sizeof mcfg);
	end(b, gpa);
	return gpa;
}

static struct address memory_byte(uint64_t address)
{
	return (struct address){.space = 0, .bits = 8, .access = 1, .address = address};
}

static uint64_t put_fadt(struct builder *b, const struct acpi_config *config, uint64_t dsdt)
{
	uint64_t gpa = begin(b);
	struct fadt fadt = {
		.header = header("FACP", FADT_REVISION),
		.dsdt = (uint32_t)dsdt,
		.x_dsdt = dsdt,
		.minor_version = FADT_MINOR,
		.iapc_boot_arch = (uint16_t)(BOOT_ARCH_NO_VGA | BOOT_ARCH_NO_ASPM |
					     (config->rtc ? 0 : BOOT_ARCH_NO_RTC)),
		.flags = FADT_WBINVD | FADT_POWER_BUTTON | FADT_SLEEP_BUTTON | FADT_RESET_REGISTER |
			 FADT_HW_REDUCED,
		.reset = memory_byte(LAYOUT_POWER + LAYOUT_RESET),
		.reset_value = LAYOUT_RESET_VALUE,
		.sleep_control = memory_byte(LAYOUT_POWER + LAYOUT_SLEEP_CONTROL),
		.sleep_status = memory_byte(LAYOUT_POWER + LAYOUT_SLEEP_STATUS),
	};
	memcpy(&fadt.hypervisor, "HVSH", 4);
	aml_bytes(&b->out, &fadt, sizeof fadt);
	end(b, gpa);
	return gpa;
}

static uint64_t put_dsdt(struct builder *b, const struct acpi_config *config)
{
	uint64_t gpa = begin(b);
	struct table_header h = header("DSDT", 2); /* 2: integers of 64 bits */
	aml_bytes(&b->out, &h, sizeof h);
	acpi_dsdt(&b->out, config);
	end(b, gpa);
	return gpa;
}

static uint64_t put_xsdt(struct builder *b)
{
	uint64_t gpa = begin(b);
	struct table_header h = header("XSDT", 1);
	aml_bytes(&b->out, &h, sizeof h);
	aml_bytes(&b->out, b->listed, sizeof b->listed);
	end(b, gpa);
	return gpa;
}

static struct rsdp make_rsdp(uint64_t xsdt)
{
	struct rsdp rsdp = {
		.signature = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '},
		.oem_id = {'H', 'V', 'S', 'H', ' ', ' '},
		.revision = 2,
		.length = sizeof rsdp,
		.xsdt = xsdt,
	};
	rsdp.checksum = checksum(&rsdp, 20); /* what ACPI 1.0 had of it */
	rsdp.extended_checksum = checksum(&rsdp, sizeof rsdp);
	return rsdp;
}

int acpi_build(struct gmem *mem, const struct acpi_config *config, uint64_t *rsdp,
	       struct hv_error *err)
{
	struct builder b = {.listed = {0}};
	struct rsdp root = {0};
	size_t room = LAYOUT_RESET_VECTOR - LAYOUT_ACPI_START;
	void *bytes = gmem_ptr(mem, LAYOUT_ACPI_START, room);
	if (!bytes)
		return hv_fail(err, HV_FAILED, 0, "no guest memory for ACPI tables");
	aml_init(&b.out, bytes, room);
	aml_bytes(&b.out, &root, sizeof root);
	uint64_t dsdt = put_dsdt(&b, config);
	b.listed[0] = put_fadt(&b, config, dsdt);
	b.listed[1] = put_madt(&b, config);
	b.listed[2] = put_mcfg(&b);
	root = make_rsdp(put_xsdt(&b));
	if (b.out.overflow)
		return hv_fail(err, HV_FAILED, 0, "ACPI tables do not fit");
	memcpy(bytes, &root, sizeof root);
	gmem_dirty(mem, LAYOUT_ACPI_START, b.out.len);
	*rsdp = LAYOUT_ACPI_START;
	return 0;
}
