# SPDX-License-Identifier: GPL-3.0-or-later
# The one makefile of hvsh: sources are found per folder, everything built goes to $(O).
#   make [all]            hvsh, hvsh-vmm, plugins, test guest
#   make unit asan tsan   unit tests: plain, under ASan+UBSan, under TSan
#   make check lint fuzz bench bats lab          (see tests/run and tests/lab)
#   make install PREFIX=/usr DESTDIR=/tmp/x      also LIBDIR LIBEXECDIR MANDIR; uninstall
# Settable: O=dir CC=clang CFLAGS='-O0 -g' SAN=address,undefined WERROR=1 RUNS=20000
# A folder without sources is no error: what would be built from it is then not built.

VERSION := 0.1.0

# make's own built-in rules only slow down and surprise
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

O ?= build
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin AR),default)
AR := gcc-ar
endif
PKG_CONFIG ?= pkg-config
CFLAGS ?= -O2 -g

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
LIBEXECDIR ?= $(PREFIX)/libexec
MANDIR ?= $(PREFIX)/share/man
INCLUDEDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share

# one short line a step; V=1 shows the commands
Q := $(if $(V),,@)
say = @mkdir -p $(@D)$(if $(V),,; printf '  %-5s %s\n' $(1) $@)

# ---- flags ------------------------------------------------------------------------------------

warnings := -Wall -Wextra -Wshadow -Wvla -Wundef -Wformat=2 -Wstrict-prototypes \
	-Wmissing-prototypes -Wwrite-strings $(if $(WERROR),-Werror)
# SAN=address,undefined and the like: no static link, and a report ends the test
san := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer \
	$(if $(findstring undefined,$(SAN)),-fno-sanitize-recover=undefined))
base_flags := -std=gnu17 -D_GNU_SOURCE -I. -I$(O)/gen $(warnings) -fvisibility=hidden \
	-fstack-protector-strong -pthread $(san)
ALL_CFLAGS = $(base_flags) $(lib_cflags) $(CFLAGS)
ALL_LDFLAGS = -pthread -Wl,-z,relro,-z,now -Wl,--as-needed $(san) $(LDFLAGS)

# ---- libraries: by pkg-config, a missing one is named with its Debian package -------------------

hvsh_libs := jansson readline yaml-0.1
vmm_libs := jansson liburing
gen_libs := libseccomp
unit_libs := cmocka $(hvsh_libs) $(vmm_libs)
# a plugin's own libraries: libs_PLUGIN := pkg-config names

debian_jansson := libjansson-dev
debian_readline := libreadline-dev
debian_yaml-0.1 := libyaml-dev
debian_liburing := liburing-dev
debian_libseccomp := libseccomp-dev
debian_cmocka := libcmocka-dev
debian_libmnl := libmnl-dev
debian_libvirt := libvirt-dev
debian_libssh := libssh-dev
debian_libnbd := libnbd-dev
debian_ncursesw := libncurses-dev

# feature macros are ours to set: -D_GNU_SOURCE above
lib_cflags := $(filter-out -D_%,\
	$(shell $(PKG_CONFIG) --cflags $(sort $(hvsh_libs) $(vmm_libs)) 2>/dev/null))
libs = $(shell $(PKG_CONFIG) --libs $(1))
static_libs = $(shell $(PKG_CONFIG) --static --libs $(1))
deps_of = $(patsubst %,$(O)/deps/%,$(1))

# ---- sources ----------------------------------------------------------------------------------

# a folder's own sources and those of its subfolders
in = $(foreach d,$(1),$(wildcard $(d)/*.c $(d)/*/*.c))
hvsh_src := $(call in,shell tui engine/model engine/host engine/client) $(wildcard plugins/*.c)
gen_src := $(wildcard engine/sandbox/gen/*.c)
vmm_src := $(filter-out $(gen_src),$(call in,$(addprefix engine/,vmm boot acpi pci virtio devices \
	block net sandbox migrate))) $(wildcard engine/model/error.c engine/client/protocol.c \
	engine/client/protocol_wire.c)
command_src := $(wildcard commands/*.c)
provider_files := $(wildcard plugins/providers/*.c)
provider_dirs := $(patsubst plugins/providers/%/,%,$(dir $(wildcard plugins/providers/*/*.c)))
providers := $(sort $(provider_files:plugins/providers/%.c=%) $(provider_dirs))
guest_src := $(wildcard tests/guest/*.c tests/guest/*.S)
guest_elf := $(if $(guest_src),$(O)/guest/guest.elf)
unit_src := $(wildcard tests/unit/test_*.c)
# other C files of tests/unit are support, linked into every unit test
unit_support := $(filter-out $(unit_src),$(wildcard tests/unit/*.c))
fuzz_src := $(wildcard tests/fuzz/fuzz_*.c)
bench_src := $(wildcard tests/bench/*.c)

obj = $(patsubst %.c,$(O)/obj/%.o,$(1))
pic = $(patsubst %.c,$(O)/obj/%.pic.o,$(1))
hvsh_main := $(filter shell/main.c,$(hvsh_src))
vmm_main := $(filter engine/vmm/main.c,$(vmm_src))

hvsh_bin := $(if $(hvsh_main),$(O)/bin/hvsh)
vmm_bin := $(if $(vmm_main),$(O)/libexec/hvsh/hvsh-vmm)
plugin_dir := $(O)/lib/hvsh/plugins
command_plugins := $(command_src:commands/%.c=$(plugin_dir)/%.so)
provider_plugins := $(providers:%=$(plugin_dir)/%-provider.so)
plugins := $(command_plugins) $(provider_plugins)
libhvsh := $(if $(hvsh_src),$(O)/lib/libhvsh.a)
libvmm := $(if $(vmm_src),$(O)/lib/libvmm.a)
unit_bins := $(unit_src:tests/unit/%.c=$(O)/unit/%)
fuzz_bins := $(fuzz_src:tests/fuzz/%.c=$(O)/fuzz/%)
bench_bins := $(bench_src:tests/bench/%.c=$(O)/bench/%)
seccomp_header := $(if $(gen_src),$(O)/gen/seccomp_filters.h)

.PHONY: all unit unit-bins asan tsan check lint lint-fast fuzz fuzz-tree fuzz-bins bench bench-bins \
	bats lab lab-bins docs install install-files uninstall clean format FORCE
all: $(hvsh_bin) $(vmm_bin) $(plugins)

# ---- generated headers ------------------------------------------------------------------------

# config.h changes only with its content, so `make install PREFIX=/usr` rebuilds just who reads it
config_lines = '$(hash)define HV_VERSION "$(VERSION)"' \
	'$(hash)define HV_PREFIX "$(PREFIX)"' \
	'$(hash)define HV_PLUGIN_DIR "$(LIBDIR)/hvsh/plugins"' \
	'$(hash)define HV_LIBEXEC_DIR "$(LIBEXECDIR)/hvsh"'
hash := \#
$(O)/gen/config.h: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '/* generated: version and installed places */' '$(hash)pragma once' \
		$(config_lines) >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# the seccomp filters as BPF, so that hvsh-vmm needs no libseccomp; the tool prints the header
$(O)/tools/seccomp-gen: $(gen_src) | $(call deps_of,$(gen_libs))
	$(call say,LINK)
	$(Q)$(CC) $(base_flags) -O1 -g $(gen_src) $(ALL_LDFLAGS) $(call libs,$(gen_libs)) \
		-MMD -MP -MF $@.d -o $@
$(O)/gen/seccomp_filters.h: $(O)/tools/seccomp-gen
	$(call say,GEN)
	$(Q)$< >$@

$(O)/deps/%:
	@command -v $(PKG_CONFIG) >/dev/null || \
		{ echo "make: pkg-config is missing (Debian: apt-get install pkg-config)" >&2; exit 1; }
	@$(PKG_CONFIG) --exists $* || \
		{ echo "make: library $* is missing (Debian: apt-get install $(or $(debian_$*),$*))" >&2; \
		exit 1; }
	@mkdir -p $(@D) && touch $@

# whatever is linked from a whole folder is linked again when a file appears in it or leaves it
$(O)/gen/sources: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(hvsh_src) $(vmm_src) $(guest_src) >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
$(libhvsh) $(libvmm) $(hvsh_bin) $(vmm_bin) $(guest_elf): $(O)/gen/sources

# ---- compiling --------------------------------------------------------------------------------

# every object waits for the generated headers once; later only those that include one of them
generated := $(O)/gen/config.h $(seccomp_header)
$(O)/obj/%.o: %.c | $(generated)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -fPIE -MMD -MP -c $< -o $@
$(O)/obj/%.pic.o: %.c | $(generated)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -fPIC -MMD -MP -c $< -o $@

$(call obj,$(hvsh_src)): | $(call deps_of,$(hvsh_libs))
$(call obj,$(vmm_src)): | $(call deps_of,$(vmm_libs))
$(call pic,$(command_src)): | $(call deps_of,jansson)
$(call pic,commands/completion.c): $(wildcard completions/*)
$(call obj,$(unit_src) $(unit_support)): | $(call deps_of,$(unit_libs))

$(O)/lib/libhvsh.a: $(call obj,$(filter-out $(hvsh_main),$(hvsh_src)))
$(O)/lib/libvmm.a: $(call obj,$(filter-out $(vmm_main),$(vmm_src)))
$(libhvsh) $(libvmm):
	$(call say,AR)
	@rm -f $@
	$(Q)$(AR) rcs $@ $(filter %.o,$^)

# ---- linking ----------------------------------------------------------------------------------

# objects and not the archive: what only plugins call must be in it; HV_PUBLIC alone is exported
$(O)/bin/hvsh: $(call obj,$(hvsh_src))
	$(call say,LINK)
	$(Q)$(CC) -pie -rdynamic $(filter %.o,$^) $(ALL_LDFLAGS) $(call libs,$(hvsh_libs)) -ldl -o $@

# static: no loader at start, fewer private pages; position-independent all the same
$(O)/libexec/hvsh/hvsh-vmm: $(call obj,$(vmm_src))
	$(call say,LINK)
	$(Q)$(CC) $(if $(SAN),-pie,-static-pie) $(filter %.o,$^) $(ALL_LDFLAGS) \
		$(if $(SAN),$(call libs,$(vmm_libs)),$(call static_libs,$(vmm_libs))) -o $@

link_plugin = $(CC) -shared $(filter %.o,$^) $(ALL_LDFLAGS) \
	$(call libs,jansson $(libs_$(basename $(@F)))) -o $@
$(command_plugins): $(plugin_dir)/%.so: $(O)/obj/commands/%.pic.o
	$(call say,LINK)
	$(Q)$(link_plugin)
define provider_rule
$(plugin_dir)/$(1)-provider.so: $(call pic,$(wildcard plugins/providers/$(1).c plugins/providers/$(1)/*.c))
$(call pic,$(wildcard plugins/providers/$(1).c plugins/providers/$(1)/*.c)): | \
	$(call deps_of,jansson $(libs_$(1)-provider))
endef
$(foreach p,$(providers),$(eval $(call provider_rule,$(p))))
$(provider_plugins):
	$(call say,LINK)
	$(Q)$(link_plugin)

# ---- test guest: tests/guest/guest.mk may set its own flags -------------------------------------

guest_cflags := -O2 -g -ffreestanding -fno-pic -fno-pie -fno-stack-protector -mno-red-zone \
	-mgeneral-regs-only -fcf-protection=none
guest_ldflags := -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096
-include tests/guest/guest.mk
guest_obj := $(addsuffix .o,$(addprefix $(O)/guest/obj/,$(notdir $(guest_src))))
all: $(guest_elf)
$(O)/guest/obj/%.o: tests/guest/%
	$(call say,CC)
	$(Q)$(CC) -std=gnu17 -I. $(warnings) $(guest_cflags) -MMD -MP -c $< -o $@
$(O)/guest/guest.elf: $(guest_obj) $(wildcard tests/guest/guest.ld)
	$(call say,LINK)
	$(Q)$(CC) $(guest_ldflags) $(patsubst %,-Wl$(comma)-T$(comma)%,$(filter %.ld,$^)) $(filter %.o,$^) -o $@
comma := ,

# ---- tests ------------------------------------------------------------------------------------

-include tests/unit/unit.mk
$(O)/unit/%: $(O)/obj/tests/unit/%.o $(call obj,$(unit_support)) $(libhvsh) $(libvmm)
	$(call say,LINK)
	$(Q)$(CC) -pie -rdynamic $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(ALL_LDFLAGS) $(call libs,$(unit_libs)) -ldl -o $@
unit-bins: $(unit_bins)

unit: all unit-bins
	@O=$(O) tests/run unit
asan tsan fuzz:
	@O=$(O) tests/run $@

# LibFuzzer, so always clang, in a sanitized tree of its own
fuzz-tree:
	@$(MAKE) CC=clang AR=ar SAN=address,undefined CFLAGS='-O1 -g -fsanitize=fuzzer-no-link' fuzz-bins
$(O)/fuzz/%: $(O)/obj/tests/fuzz/%.o $(libhvsh) $(libvmm)
	$(call say,LINK)
	$(Q)$(CC) -pie -fsanitize=fuzzer $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) \
		-Wl,--end-group $(ALL_LDFLAGS) $(call libs,$(hvsh_libs) $(vmm_libs)) -ldl -o $@
fuzz-bins: $(fuzz_bins)

bench-bins: $(bench_bins)
$(O)/bench/%: $(O)/obj/tests/bench/%.o $(libhvsh)
	$(call say,LINK)
	$(Q)$(CC) -pie $^ $(ALL_LDFLAGS) $(call libs,$(hvsh_libs)) -ldl -o $@

# hvtest runs inside guests and beside them: static
lab_bins := $(patsubst tests/lab/%.c,$(O)/lab/%,$(wildcard tests/lab/*.c))
lab-bins: $(lab_bins)
$(O)/lab/%: tests/lab/%.c
	$(call say,LINK)
	$(Q)$(CC) -std=gnu17 -D_GNU_SOURCE $(warnings) -O2 -g -static $< -MMD -MP -MF $@.d -o $@

check lint lint-fast:
	@O=$(O) tests/run $@
bats lab: all lab-bins
	@O=$(O) tests/run $@
bench: all bench-bins # LAB=1: with the nested host's row, which takes minutes
	@O=$(O) tests/run bench

# ---- what hvsh says about itself: manual pages and completions, from its descriptors -----------

docs_dir := $(O)/docs
docs_stamps := $(if $(hvsh_bin),$(if $(wildcard commands/completion.c),$(docs_dir)/completions.done) \
	$(if $(wildcard commands/manual.c),$(docs_dir)/man.done))
docs: $(docs_stamps)
ifeq ($(SAN),)
all: docs
endif
self = HVSH_ROOT=$(CURDIR)/$(docs_dir)/root HVSH_PLUGIN_PATH= $(O)/bin/hvsh
$(docs_dir)/completions.done: $(hvsh_bin) $(plugins)
	$(call say,DOCS)
	@mkdir -p $(docs_dir)/completions
	$(Q)for s in bash zsh fish; do $(self) completion generate $$s >$(docs_dir)/completions/$$s || exit; done
	@touch $@
$(docs_dir)/man.done: $(hvsh_bin) $(plugins)
	$(call say,DOCS)
	@rm -rf $(docs_dir)/man && mkdir -p $(docs_dir)/man
	$(Q)$(self) manual write $(docs_dir)/man
	@touch $@

# ---- install ----------------------------------------------------------------------------------

# the one header of an outside plugin: plugins/hvsh.h with the project's headers it includes put
# in their place, each once
public_headers := plugins/hvsh.h $(wildcard engine/model/*.h)
$(O)/gen/hvsh.h: $(public_headers)
	$(call say,GEN)
	@awk 'function take(file,   line, name) { \
		if (file in seen) return; seen[file] = 1; \
		while ((getline line <file) > 0) \
			if (line ~ /^\#include "/) { split(line, name, "\""); take(name[2]) } else print line; \
		close(file) } BEGIN { take("plugins/hvsh.h") }' >$@

$(O)/gen/hvsh.pc: plugins/hvsh.h FORCE
	@mkdir -p $(@D)
	@printf '%s\n' 'prefix=$(PREFIX)' 'includedir=$(INCLUDEDIR)' 'libdir=$(LIBDIR)' \
		'plugindir=$(LIBDIR)/hvsh/plugins' \
		"abi_version=$$(awk '/define HV_ABI_VERSION/ {print $$3}' $<)" '' 'Name: hvsh' \
		'Description: plugins for the hvsh virtual machine shell' 'Version: $(VERSION)' \
		'Requires: jansson' 'Cflags: -I$${includedir}' >$@

bash_completion = $(DATADIR)/bash-completion/completions/hvsh
zsh_completion = $(DATADIR)/zsh/site-functions/_hvsh
fish_completion = $(DATADIR)/fish/vendor_completions.d/hvsh.fish
man_pages = $(patsubst $(docs_dir)/man/%,%,$(wildcard $(docs_dir)/man/man*/*))
install_file = install -D -m $(1) $(2) $(DESTDIR)$(3)$(newline)
define newline


endef
install: all docs $(O)/gen/hvsh.h $(O)/gen/hvsh.pc
	@$(MAKE) --no-print-directory install-files
install-files:
	$(call install_file,755,$(O)/bin/hvsh,$(BINDIR)/hvsh)
	$(call install_file,755,$(O)/libexec/hvsh/hvsh-vmm,$(LIBEXECDIR)/hvsh/hvsh-vmm)
	$(foreach p,$(plugins),$(call install_file,644,$(p),$(LIBDIR)/hvsh/plugins/$(notdir $(p))))
	$(call install_file,644,$(O)/gen/hvsh.h,$(INCLUDEDIR)/hvsh.h)
	$(call install_file,644,$(O)/gen/hvsh.pc,$(LIBDIR)/pkgconfig/hvsh.pc)
	$(if $(wildcard $(docs_dir)/completions.done), \
		$(call install_file,644,$(docs_dir)/completions/bash,$(bash_completion)) \
		$(call install_file,644,$(docs_dir)/completions/zsh,$(zsh_completion)) \
		$(call install_file,644,$(docs_dir)/completions/fish,$(fish_completion)))
	$(foreach m,$(man_pages),$(call install_file,644,$(docs_dir)/man/$(m),$(MANDIR)/$(m)))

uninstall:
	rm -f $(addprefix $(DESTDIR),$(BINDIR)/hvsh $(LIBEXECDIR)/hvsh/hvsh-vmm $(INCLUDEDIR)/hvsh.h \
		$(foreach p,$(plugins),$(LIBDIR)/hvsh/plugins/$(notdir $(p))) $(LIBDIR)/pkgconfig/hvsh.pc \
		$(bash_completion) $(zsh_completion) $(fish_completion) \
		$(addprefix $(MANDIR)/,$(man_pages)))
	-@rmdir -p --ignore-fail-on-non-empty $(addprefix $(DESTDIR),$(LIBDIR)/hvsh/plugins \
		$(LIBEXECDIR)/hvsh) 2>/dev/null || true

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf build build-asan build-tsan build-fuzz $(O)

-include $(shell find $(O) -name '*.d' 2>/dev/null)
