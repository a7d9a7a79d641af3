/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whole machines on /dev/kvm with the project's test guest: how they run, pause, end, and that all
 * of a machine's state put into another one lets the guest go on there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <elf.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "engine/vmm/machine_priv.h"
#include "engine/vmm/spec.h"
#include "engine/vmm/state.h"

#define LIMIT_S 60
#define MEMORY (32ull << 20)

struct vm {
	struct loop loop;
	struct spec spec;
	struct machine *machine;
	struct loop_source console, limit;
	char text[16384]; /* what the guest wrote and no vm_expect() has taken */
	size_t len;
	const char *wanted;
	bool ended, too_late;
	enum vmm_exit how;
	char reason[240];
};

static int guest_fd(void)
{
	char path[256];
	const char *out = getenv("O");
	snprintf(path, sizeof path, "%s/guest/guest.elf", out ? out : "build");
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* A vCPU that raises an exception without anybody to take it. */
static int crasher_fd(void)
{
	struct {
		Elf64_Ehdr elf;
		Elf64_Phdr segments[2];
		uint32_t note[6];
		uint8_t code[8];
	} image = {
		.elf = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1},
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_phoff = sizeof image.elf,
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 2},
		.segments = {{.p_type = PT_LOAD,
			      .p_offset = offsetof(__typeof__(image), code),
			      .p_paddr = 0x100000,
			      .p_filesz = 8,
			      .p_memsz = 8},
			     {.p_type = PT_NOTE,
			      .p_offset = offsetof(__typeof__(image), note),
			      .p_filesz = 20}},
		.note = {4, 4, 18, 0x6e6558, 0x100000},
		.code = {0x0f, 0x0b}, /* ud2 */
	};
	int fd = memfd_create("crasher", MFD_CLOEXEC);
	assert_int_equal(write(fd, &image, sizeof image), sizeof image);
	return fd;
}

static void console_ready(struct loop_source *source, uint32_t epoll_events)
{
	struct vm *vm = (struct vm *)((char *)source - offsetof(struct vm, console));
	(void)epoll_events;
	ssize_t got = read(source->fd, vm->text + vm->len, sizeof vm->text - 1 - vm->len);
	if (got > 0)
		vm->len += (size_t)got;
	vm->text[vm->len] = '\0';
	if (vm->wanted && strstr(vm->text, vm->wanted))
		loop_stop(&vm->loop);
}

static void limit_ready(struct loop_source *source, uint32_t epoll_events)
{
	struct vm *vm = (struct vm *)((char *)source - offsetof(struct vm, limit));
	(void)epoll_events;
	vm->too_late = true;
	loop_stop(&vm->loop);
}

static void ended(void *ctx, enum vmm_exit how, const char *reason)
{
	struct vm *vm = ctx;
	vm->ended = true;
	vm->how = how;
	snprintf(vm->reason, sizeof vm->reason, "%s", reason);
	loop_stop(&vm->loop);
}

/* The spec of a small machine with a device of each kind that needs nothing from outside. */
static void fill_spec(struct spec *spec, int kernel_fd, int n_cpus)
{
	*spec = (struct spec){
		.kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC),
		.memory = {.size_bytes = MEMORY},
		.cpus = {.count = n_cpus, .sockets = 1, .cores = n_cpus, .threads = 1},
		.boot = {.kernel_fd = kernel_fd, .initrd_fd = -1},
		.rng = true,
		.balloon = true,
	};
	for (int i = 0; i < SPEC_CPUS_MAX; i++)
		spec->cpus.pin[i] = -1;
}

static void vm_init(struct vm *vm, int kernel_fd, int n_cpus)
{
	struct hv_error err;
	int sockets[2];
	memset(vm, 0, sizeof *vm);
	fill_spec(&vm->spec, kernel_fd, n_cpus);
	assert_int_equal(loop_init(&vm->loop, NULL), 0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets), 0);
	vm->console = (struct loop_source){sockets[1], console_ready};
	assert_int_equal(loop_add(&vm->loop, &vm->console, EPOLLIN, NULL), 0);
	vm->limit = (struct loop_source){timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), limit_ready};
	struct itimerspec limit = {.it_value = {.tv_sec = LIMIT_S}};
	timerfd_settime(vm->limit.fd, 0, &limit, NULL);
	assert_int_equal(loop_add(&vm->loop, &vm->limit, EPOLLIN, NULL), 0);
	struct machine_config config = {
		.spec = &vm->spec,
		.loop = &vm->loop,
		.serial_fd = sockets[0],
		.virtio_console_fd = -1,
		.events = {ended, vm},
	};
	if (machine_new(&vm->machine, &config, &err) < 0)
		fail_msg("%s", err.message);
}

static void vm_fini(struct vm *vm)
{
	machine_free(vm->machine);
	loop_fini(&vm->loop);
	close(vm->console.fd);
	close(vm->limit.fd);
	close(vm->spec.kvm_fd);
	close(vm->spec.boot.kernel_fd);
}

/* Waits for text and forgets all up to its end. */
static void vm_expect(struct vm *vm, const char *text)
{
	vm->wanted = text;
	if (!strstr(vm->text, text))
		loop_run(&vm->loop);
	if (vm->ended) /* the last words may still be on their way */
		console_ready(&vm->console, EPOLLIN);
	char *found = strstr(vm->text, text);
	if (!found)
		fail_msg("no \"%s\" in \"%s\"%s, %s", text, vm->text,
			 vm->too_late ? " in time" : "", vm->reason);
	size_t seen = (size_t)(found - vm->text) + strlen(text);
	memmove(vm->text, vm->text + seen, vm->len + 1 - seen);
	vm->len -= seen;
	vm->wanted = NULL;
}

static void vm_type(struct vm *vm, const char *text)
{
	assert_int_equal(write(vm->console.fd, text, strlen(text)), strlen(text));
}

static void vm_expect_end(struct vm *vm, enum vmm_exit how)
{
	if (!vm->ended)
		loop_run(&vm->loop);
	assert_true(vm->ended);
	assert_int_equal(vm->how, how);
	assert_int_equal(machine_state(vm->machine), MACHINE_ENDED);
}

static int have_kvm(void **state)
{
	(void)state;
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), guest = guest_fd();
	bool have = kvm >= 0 && guest >= 0;
	if (!have)
		print_message("%s\n",
			      kvm < 0 ? "/dev/kvm cannot be opened" : "no test guest built");
	close(kvm);
	close(guest);
	return have;
}

#define NEEDS_KVM(state)                                                                           \
	do {                                                                                       \
		if (!have_kvm(state))                                                              \
			skip();                                                                    \
	} while (0)

static void machine_runs_the_guest_and_it_switches_off(void **state)
{
	NEEDS_KVM(state);
	struct vm vm;
	struct hv_error err;
	vm_init(&vm, guest_fd(), 1);
	assert_int_equal(machine_pause(vm.machine, &err), -HV_CONFLICT);
	assert_int_equal(machine_run(vm.machine, &err), 0);
	vm_expect(&vm, "guest> ");
	vm_type(&vm, "acpi\r");
	vm_expect(&vm, "s5=5 reset=fe000002 value=1 ged_gsi=9");
	vm_type(&vm, "poweroff\r");
	vm_expect_end(&vm, VMM_EXIT_POWEROFF);
	assert_int_equal(machine_resume(vm.machine, &err), -HV_CONFLICT);
	vm_fini(&vm);
}

static void machine_runs_all_its_vcpus(void **state)
{
	NEEDS_KVM(state);
	struct vm vm;
	vm_init(&vm, guest_fd(), 4);
	assert_int_equal(machine_run(vm.machine, NULL), 0);
	vm_expect(&vm, "guest> ");
	vm_type(&vm, "cpus\r");
	vm_expect(&vm, "cpus agree=4");
	vm_type(&vm, "reset\r");
	vm_expect_end(&vm, VMM_EXIT_RESET);
	vm_fini(&vm);
}

static void machine_ends_by_the_first_cause(void **state)
{
	NEEDS_KVM(state);
	struct vm vm;
	vm_init(&vm, guest_fd(), 2);
	assert_int_equal(machine_run(vm.machine, NULL), 0);
	vm_expect(&vm, "guest> ");
	machine_end(vm.machine, VMM_EXIT_RESET, "one");
	machine_end(vm.machine, VMM_EXIT_POWEROFF, "two");
	vm_expect_end(&vm, VMM_EXIT_RESET);
	assert_string_equal(vm.reason, "one");
	vm_fini(&vm);
}

static void machine_button_reaches_the_guest(void **state)
{
	NEEDS_KVM(state);
	struct vm vm;
	vm_init(&vm, guest_fd(), 1);
	assert_int_equal(machine_run(vm.machine, NULL), 0);
	vm_expect(&vm, "guest> ");
	assert_int_equal(machine_power_button(vm.machine, NULL), 0);
	vm_expect(&vm, "power button");
	vm_expect_end(&vm, VMM_EXIT_POWEROFF);
	vm_fini(&vm);
}

static void machine_triple_fault_is_a_crash(void **state)
{
	NEEDS_KVM(state);
	struct vm vm;
	vm_init(&vm, crasher_fd(), 1);
	assert_int_equal(machine_run(vm.machine, NULL), 0);
	vm_expect_end(&vm, VMM_EXIT_CRASH);
	assert_non_null(strstr(vm.reason, "vCPU 0 at"));
	vm_fini(&vm);
}

static void machine_stands_still_while_paused(void **state)
{
	NEEDS_KVM(state);
	struct vm vm;
	struct hv_error err;
	struct machine_stat before[MACHINE_STATS_MAX], after[MACHINE_STATS_MAX];
	vm_init(&vm, guest_fd(), 2);
	assert_int_equal(machine_run(vm.machine, &err), 0);
	vm_expect(&vm, "guest> ");
	for (int i = 0; i < 10; i++) {
		assert_int_equal(machine_pause(vm.machine, &err), 0);
		assert_int_equal(machine_pause(vm.machine, &err), 0);
		vm_type(&vm, "echo still here\r");
		int n = machine_stats(vm.machine, 0, before, MACHINE_STATS_MAX, &err);
		assert_true(n >= VCPU_EXIT_KINDS);
		assert_int_equal(machine_stats(vm.machine, 0, after, MACHINE_STATS_MAX, &err), n);
		/* by field: what follows a name in its array is anything */
		for (int k = 0; k < n; k++)
			assert_int_equal(before[k].value, after[k].value);
		assert_int_equal(machine_resume(vm.machine, &err), 0);
		assert_int_equal(machine_resume(vm.machine, &err), 0);
		vm_expect(&vm, "ok echo");
		vm_expect(&vm, "guest> ");
	}
	vm_fini(&vm);
}

static void machine_counts_what_the_kernel_reports(void **state)
{
	NEEDS_KVM(state);
	struct vm vm;
	struct hv_error err;
	struct machine_stat stats[MACHINE_STATS_MAX];
	vm_init(&vm, guest_fd(), 1);
	assert_int_equal(machine_run(vm.machine, NULL), 0);
	vm_expect(&vm, "guest> ");
	int n = machine_stats(vm.machine, 0, stats, MACHINE_STATS_MAX, &err);
	bool counted = false;
	for (int i = 0; i < n; i++)
		counted |= strcmp(stats[i].name, "user_io") == 0 && stats[i].value > 0;
	assert_true(counted);
	assert_int_equal(machine_stats(vm.machine, 1, stats, MACHINE_STATS_MAX, &err),
			 -HV_NOT_FOUND);
	assert_true(machine_stats(vm.machine, -1, stats, MACHINE_STATS_MAX, &err) >= 0);
	vm_fini(&vm);
}

static void save_all(struct machine *machine, struct state_out *out)
{
	struct hv_error err;
	for (int i = 0; i < machine->vcpus.n; i++) {
		if (vcpu_save(&machine->vcpus.list[i], out, &err) < 0)
			fail_msg("%s", err.message);
	}
	if (kvm_clock_save(&machine->vm, out, &err) < 0)
		fail_msg("%s", err.message);
	for (int i = 0; i < machine->n_devices; i++) {
		struct device *dev = machine->devices[i];
		if (dev->ops->save(dev, out, &err) < 0)
			fail_msg("%s: %s", dev->id, err.message);
	}
}

static void load_all(struct machine *machine, const struct state_out *out)
{
	struct hv_error err;
	struct state_in in = {.bytes = out->bytes, .len = out->len};
	for (int i = 0; i < machine->vcpus.n; i++) {
		if (vcpu_load(&machine->vcpus.list[i], &in, &err) < 0)
			fail_msg("%s", err.message);
	}
	if (kvm_clock_load(&machine->vm, &in, &err) < 0)
		fail_msg("%s", err.message);
	for (int i = 0; i < machine->n_devices; i++) {
		struct device *dev = machine->devices[i];
		if (dev->ops->load(dev, &in, &err) < 0)
			fail_msg("%s: %s", dev->id, err.message);
	}
	assert_int_equal(in.pos, in.len);
}

static void machine_goes_on_in_another_one(void **state)
{
	NEEDS_KVM(state);
	struct vm vm, other;
	struct state_out out;
	vm_init(&vm, guest_fd(), 2);
	assert_int_equal(machine_run(vm.machine, NULL), 0);
	vm_expect(&vm, "guest> ");
	vm_type(&vm, "echo half of"); /* the rest of the line is typed over there */
	vm_expect(&vm, "half of");
	assert_int_equal(machine_pause(vm.machine, NULL), 0);
	state_out_init(&out);
	save_all(vm.machine, &out);

	vm_init(&other, guest_fd(), 2);
	memcpy(gmem_ptr(&other.machine->mem, 0, MEMORY), gmem_ptr(&vm.machine->mem, 0, MEMORY),
	       MEMORY);
	load_all(other.machine, &out);
	assert_int_equal(machine_run(other.machine, NULL), 0);
	vm_type(&other, " a line\r");
	vm_expect(&other, "half of a line\r");
	vm_expect(&other, "guest> ");
	vm_type(&other, "cpus\r");
	vm_expect(&other, "cpus agree=2");

	/* and the first one was not disturbed by being looked at */
	assert_int_equal(machine_resume(vm.machine, NULL), 0);
	vm_type(&vm, " another\r");
	vm_expect(&vm, "half of another\r");
	state_out_fini(&out);
	vm_fini(&other);
	vm_fini(&vm);
}

static void vcpu_state_cut_anywhere_is_refused(void **state)
{
	NEEDS_KVM(state);
	struct vm vm, other;
	struct state_out out;
	struct hv_error err;
	vm_init(&vm, guest_fd(), 1);
	vm_init(&other, guest_fd(), 1);
	state_out_init(&out);
	assert_int_equal(vcpu_save(&vm.machine->vcpus.list[0], &out, &err), 0);
	for (size_t len = 0; len < out.len; len += 97) {
		struct state_in in = {.bytes = out.bytes, .len = len};
		assert_true(vcpu_load(&other.machine->vcpus.list[0], &in, &err) < 0);
	}
	struct state_in in = {.bytes = out.bytes, .len = out.len};
	assert_int_equal(vcpu_load(&other.machine->vcpus.list[0], &in, &err), 0);
	state_out_fini(&out);
	vm_fini(&other);
	vm_fini(&vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(machine_runs_the_guest_and_it_switches_off),
		cmocka_unit_test(machine_runs_all_its_vcpus),
		cmocka_unit_test(machine_ends_by_the_first_cause),
		cmocka_unit_test(machine_button_reaches_the_guest),
		cmocka_unit_test(machine_triple_fault_is_a_crash),
		cmocka_unit_test(machine_stands_still_while_paused),
		cmocka_unit_test(machine_counts_what_the_kernel_reports),
		cmocka_unit_test(machine_goes_on_in_another_one),
		cmocka_unit_test(vcpu_state_cut_anywhere_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
