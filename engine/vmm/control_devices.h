/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Methods of the control protocol about devices, for control_methods[]. */
#ifndef HV_VMM_CONTROL_DEVICES_H
#define HV_VMM_CONTROL_DEVICES_H

#include "engine/vmm/control.h"

json_t *control_disks(struct control *control, struct control_client *client, const json_t *args,
		      struct wire *wire, struct hv_error *err);
json_t *control_queues(struct control *control, struct control_client *client, const json_t *args,
		       struct wire *wire, struct hv_error *err);
json_t *control_balloon(struct control *control, struct control_client *client, const json_t *args,
			struct wire *wire, struct hv_error *err);

#endif
