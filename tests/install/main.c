/* SPDX-License-Identifier: Apache-2.0 */
#include <natskit.h>
#include <stdio.h>

int main(void)
{
    uint32_t major = 99;
    const char *text = "";
    if (natskit_version(&major, NULL, &text) != NATSKIT_OK || major != NATSKIT_ABI_MAJOR) {
        return 1;
    }
    printf("natskit %s from C\n", text);
    return natskit_shutdown(1000) != NATSKIT_OK;
}
