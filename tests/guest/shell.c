/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The guest's life: set-up, "hvsh-guest: ready", the commands of the kernel command line, a prompt.
 *
 * Commands come from `run=COMMAND;COMMAND...` (all the rest of the kernel command line) and from
 * the serial port, a line each, several with `;`. Results are `noun key=value...` lines; a command
 * ends with `ok NAME` or `fail NAME: why`. Numbers: decimal, 0x..., with K, M or G. `help` lists
 * them all; tests rely on these:
 *
 *	cpus irqs mem memtest acpi clock sleep cpuid msr echo crash halt poweroff reset
 *
 *	pci virtio disk net rng console balloon		drivers, each by its command
 *
 *	hostile list | all | KIND | NAME [DEVICE|- [SEED]]	attacks, see hostile.c
 *
 * The power button powers off. `ecam=ADDRESS` before run= finds PCI where there is no MCFG table
 * (QEMU's microvm).
 * `nodevices` leaves the balloon and the PCI bus alone until a command asks.
 */
#include "tests/guest/shell.h"
#include "tests/guest/acpi.h"
#include "tests/guest/apic.h"
#include "tests/guest/balloon.h"
#include "tests/guest/clock.h"
#include "tests/guest/cpu.h"
#include "tests/guest/io.h"
#include "tests/guest/mem.h"
#include "tests/guest/net.h"
#include "tests/guest/scsi.h"
#include "tests/guest/serial.h"
#include "tests/guest/text.h"

#define LINE_MAX 1024
#define ARGS_MAX 16

struct hvm_start_info {
	uint32_t magic, version, flags, n_modules;
	uint64_t modules, cmdline, rsdp, memmap;
	uint32_t n_memmap, reserved;
};

char shell_reason[200];
static char cmdline[LINE_MAX];

extern const struct command clock_commands[], mem_commands[], pci_commands[], virtio_commands[],
	rng_commands[], disk_commands[], hostile_commands[], net_commands[], balloon_commands[],
	console_commands[];
static const struct command shell_commands[];
static const struct command *const groups[] = {
	shell_commands,  clock_commands,   mem_commands,     pci_commands,
	virtio_commands, rng_commands,     disk_commands,    hostile_commands,
	net_commands,    balloon_commands, console_commands,
};
#define N_GROUPS (sizeof(groups) / sizeof(groups[0]))

static int run_help(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (unsigned g = 0; g < N_GROUPS; g++)
		for (const struct command *c = groups[g]; c->name; c++)
			print("  %s %s%s%s\n", c->name, c->args, *c->args ? ": " : "  ", c->help);
	return 0;
}

static int run_echo(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		print("%s%s", i > 1 ? " " : "", argv[i]);
	print("\n");
	return 0;
}

struct sums {
	volatile uint64_t of[CPU_MAX];
};

static void sum_work(int cpu, void *arg)
{
	struct sums *sums = arg;
	uint64_t state = 1, sum = 0;

	for (int i = 0; i < 1000000; i++)
		sum += random_next(&state);
	sums->of[cpu] = sum;
}

static int run_cpus(int argc, char **argv)
{
	static struct sums sums;
	int agree = 0;

	(void)argc, (void)argv;
	print("cpus listed=%d online=%d\n", acpi.n_cpus, cpu_online);
	for (int i = 0; i < cpu_online; i++)
		sums.of[i] = i;
	uint64_t start = clock_ns();
	cpu_call_all(sum_work, &sums);
	uint64_t us = (clock_ns() - start) / 1000;
	for (int i = 0; i < cpu_online; i++) {
		print("cpu %d apic=%u sum=%lx\n", i, acpi.apic_ids[i], sums.of[i]);
		agree += sums.of[i] == sums.of[0];
	}
	print("cpus agree=%d us=%lu\n", agree, us);
	return agree == cpu_online ? 0 : fail("CPUs computed different sums");
}

static int run_acpi(int argc, char **argv)
{
	(void)argc, (void)argv;
	acpi_list();
	return 0;
}

static int run_irqs(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (int i = 32; i < 256; i++)
		if (irq_count[i])
			print("irq vector=%x count=%u\n", i, irq_count[i]);
	return 0;
}

static int run_cpuid(int argc, char **argv)
{
	uint64_t leaf = 0, subleaf = 0;

	if (argc < 2 || !parse_number(argv[1], &leaf) ||
	    (argc > 2 && !parse_number(argv[2], &subleaf)))
		return fail("cpuid LEAF [SUBLEAF]");
	struct cpuid r = cpu_cpuid((uint32_t)leaf, (uint32_t)subleaf);
	print("cpuid leaf=%lx eax=%x ebx=%x ecx=%x edx=%x\n", leaf, r.eax, r.ebx, r.ecx, r.edx);
	return 0;
}

static int run_msr(int argc, char **argv)
{
	uint64_t msr, value = 0;

	if (argc < 2 || !parse_number(argv[1], &msr) ||
	    (argc > 2 && !parse_number(argv[2], &value)))
		return fail("msr NUMBER [VALUE]");
	if (argc > 2 && !cpu_wrmsr((uint32_t)msr, value))
		return fail("writing msr %lx faults", msr);
	if (!cpu_rdmsr((uint32_t)msr, &value))
		return fail("reading msr %lx faults", msr);
	print("msr number=%lx value=%lx\n", msr, value);
	return 0;
}

static int run_crash(int argc, char **argv)
{
	(void)argv;
	if (argc > 1) /* an address nobody maps */
		*(volatile uint64_t *)0x700000000000 = 1;
	asm volatile("lidt (%0)" : : "r"(0)); /* faults at CPL 3 */
	return 0;
}

static int run_halt(int argc, char **argv)
{
	(void)argc, (void)argv;
	print("halted\n");
	while (cpu_online)
		cpu_wait(&irq_any, irq_any);
	return 0;
}

static int run_poweroff(int argc, char **argv)
{
	(void)argc, (void)argv;
	print("hvsh-guest: power off\n");
	acpi_power_off();
	return fail("still running");
}

static int run_reset(int argc, char **argv)
{
	(void)argc, (void)argv;
	print("hvsh-guest: reset\n");
	acpi_reset();
	return fail("still running");
}

static const struct command shell_commands[] = {
	{"help", "", "this list", run_help},
	{"echo", "TEXT...", "say it", run_echo},
	{"cpus", "", "CPUs; a sum on all of them at once", run_cpus},
	{"acpi", "", "what the tables say", run_acpi},
	{"irqs", "", "interrupts so far", run_irqs},
	{"cpuid", "LEAF [SUBLEAF]", "the CPUID instruction at CPL 0", run_cpuid},
	{"msr", "NUMBER [VALUE]", "read or write a model specific register", run_msr},
	{"crash", "[high]", "take a fault, report it, power off", run_crash},
	{"halt", "", "halt for ever", run_halt},
	{"poweroff", "", "ACPI S5", run_poweroff},
	{"reset", "", "ACPI reset register", run_reset},
	{0},
};

static const struct command *find(const char *name)
{
	for (unsigned g = 0; g < N_GROUPS; g++)
		for (const struct command *c = groups[g]; c->name; c++)
			if (!strcmp(c->name, name))
				return c;
	return NULL;
}

static void run_one(char *text)
{
	char *argv[ARGS_MAX];
	int argc = 0;

	for (char *p = text; *p && argc < ARGS_MAX;) {
		for (; *p == ' ' || *p == '\t'; p++)
			*p = 0;
		if (!*p)
			break;
		argv[argc++] = p;
		for (; *p && *p != ' ' && *p != '\t'; p++)
			;
	}
	if (!argc)
		return;
	const struct command *c = find(argv[0]);
	if (!c)
		print("fail %s: no such command, see help\n", argv[0]);
	else if (c->run(argc, argv) == 0)
		print("ok %s\n", c->name);
	else
		print("fail %s: %s\n", c->name, shell_reason);
}

static void run_line(char *line)
{
	while (*line) {
		char *end = line;
		for (; *end && *end != ';'; end++)
			;
		bool more = *end;
		*end = 0;
		run_one(line);
		line = end + more;
	}
}

/* What goes on while nobody types; also between commands. */
static void serve(void)
{
	serial_service();
	scsi_serve();
	net_serve(0);
	balloon_serve();
	if (acpi_power_button()) {
		print("\nhvsh-guest: power button\n");
		acpi_power_off();
	}
}

static void read_line(char *line)
{
	int n = 0;

	for (;;) {
		uint32_t seen = irq_any;
		serve();
		int c = serial_read();
		if (c < 0) {
			cpu_wait(&irq_any, seen);
		} else if (c == '\r' || c == '\n') {
			print("\n");
			line[n] = 0;
			return;
		} else if ((c == 8 || c == 127) && n) {
			print("\b \b");
			n--;
		} else if (c >= ' ' && n < LINE_MAX - 1) {
			line[n++] = (char)c;
			print("%c", c);
		}
	}
}

static void copy_cmdline(const char *from)
{
	for (int i = 0; from && from[i] && i < LINE_MAX - 1; i++)
		cmdline[i] = from[i];
}

_Noreturn void shell_main(uint32_t start_info)
{
	static char line[LINE_MAX];
	const struct hvm_start_info *info = (const void *)(uint64_t)start_info;

	cpu_init_idt();
	copy_cmdline((const char *)info->cmdline);
	mem_init((const void *)info->memmap, info->version ? info->n_memmap : 0);
	acpi_init(info->rsdp);
	const char *ecam = strstr(cmdline, "ecam=");
	if (ecam && !acpi.ecam)
		parse_number(ecam + 5, &acpi.ecam);
	apic_init();
	clock_init();
	serial_init();
	cpu_start_others();
	if (mem_n_ranges)
		cpu_map_high(mem_ranges[mem_n_ranges - 1].end);
	print("vsh-guest: ready\n");       /* the h was the first byte, see boot.S */
	if (!strstr(cmdline, "nodevices")) /* to be timed beside machines that have none */
		balloon_start();
	const char *run = strstr(cmdline, "run=");
	if (run)
		run_line((char *)run + 4);
	for (;;) {
		print("guest> ");
		read_line(line);
		run_line(line);
	}
}
