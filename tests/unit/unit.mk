# SPDX-License-Identifier: GPL-3.0-or-later
# What single unit tests need beside the two archives.

# the model is tried on the test provider
$(O)/unit/test_model: $(call obj,$(wildcard plugins/providers/test/*.c))
