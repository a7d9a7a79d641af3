/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The real-time clock: an MC146818 at LAYOUT_PORT_RTC, its line on LAYOUT_PIN_RTC. */
#ifndef HV_DEVICES_RTC_H
#define HV_DEVICES_RTC_H

#include "engine/vmm/device.h"

int rtc_new(struct device **out, const struct device_env *env, struct hv_error *err);

#endif
