/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The 16550 at 0x3f8: the guest's console. */
#ifndef GUEST_SERIAL_H
#define GUEST_SERIAL_H

#include <stdbool.h>
#include <stddef.h>

void serial_init(void);
void serial_write(const char *text, size_t len); /* \n becomes \r\n */
/* The next byte typed, -1 where there is none. */
int serial_read(void);
/* Takes what came into a buffer, after an interrupt said so. */
void serial_service(void);

#endif
