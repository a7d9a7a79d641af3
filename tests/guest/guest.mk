# SPDX-License-Identifier: GPL-3.0-or-later
# Flags of the test guest: no FPU or vector registers, since boot.S saves none; one writable and executable
# segment, since the program is its own boot loader.
guest_cflags += -fno-asynchronous-unwind-tables -fno-tree-vectorize -ffunction-sections
guest_ldflags += -Wl,--gc-sections -Wl,--no-warn-rwx-segments -Wl,-z,noexecstack
