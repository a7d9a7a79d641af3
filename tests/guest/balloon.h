/* SPDX-License-Identifier: GPL-3.0-or-later */
/* virtio-balloon. */
#ifndef GUEST_BALLOON_H
#define GUEST_BALLOON_H

/* Takes the device into use where there is one: from then on the guest gives and takes as the host
 * asks. */
void balloon_start(void);
void balloon_serve(void);

#endif
