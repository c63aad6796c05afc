// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <natskit.h>

int main()
{
    uint32_t major = 99;
    const char *text = "";
    if (natskit_version(&major, nullptr, &text) != NATSKIT_OK || major != NATSKIT_ABI_MAJOR) {
        return 1;
    }
    std::printf("natskit %s from C++\n", text);
    return natskit_shutdown(1000) != NATSKIT_OK;
}
