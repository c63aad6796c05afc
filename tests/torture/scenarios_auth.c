/* Scenarios of keys, JWTs, credentials and contexts; no server. */
#include "scenarios.h"

#include "life.h"
#include "registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEED "SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU"
#define PUBLIC "UCK5N7N66OBOINFXAYC2ACJQYFSOD4VYNU6APEJTAVFZB2SVHLKGEW7L"
#define ACCOUNT_SEED "SAAASUPRY3ONU4GJR7J5RUVYRUFZXG56F4WEXELLLORQ65AEPSMIFTOJGE"

static void write_context(const char *folder)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/nats", folder);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof path, "%s/nats/context", folder);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof path, "%s/nats/context/test.json", folder);
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs("{\"url\":\"a,b\",\"creds\":\"$XDG_CONFIG_HOME/x\"}", file) < 0 ||
        fclose(file) != 0) {
        tt_fail("%s cannot be written", path);
    }
}

static void remove_context(const char *folder)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/nats/context/test.json", folder);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/nats/context", folder);
    (void)rmdir(path);
    (void)snprintf(path, sizeof path, "%s/nats", folder);
    (void)rmdir(path);
    (void)rmdir(folder);
}

void tt_scenario_context(void)
{
    char folder[] = "/tmp/natskit-torture-XXXXXX";
    natskit_error err = {0};
    if (mkdtemp(folder) == NULL || setenv("XDG_CONFIG_HOME", folder, 1) != 0) {
        tt_fail("no folder for contexts");
        return;
    }
    write_context(folder);
    natskit_options options = tt_options(NATSKIT_OPTIONS_CONNECT);
    natskit_status got = natskit_options_context(options, "test", Z, &err);
    tt_check_error("natskit_options_context", got, NATSKIT_OK, &err);
    got = natskit_options_context(options, NULL, 0, &err);
    tt_check_error("natskit_options_context", got, NATSKIT_NOT_FOUND, &err);
    remove_context(folder);
}

void tt_scenario_keys(void)
{
    char seed[NATSKIT_NKEY_SEED_LEN];
    char public[NATSKIT_NKEY_PUBLIC_LEN];
    uint8_t signature[NATSKIT_SIGNATURE_LEN];
    size_t len = 0;
    if (TT(natskit_nkey_create, 'A', seed, sizeof seed, &len, NULL) != NATSKIT_OK ||
        TT(natskit_nkey_public, seed, sizeof seed, public, sizeof public, &len, NULL) != NATSKIT_OK ||
        TT(natskit_nkey_sign, seed, sizeof seed, "x", 1, signature, NULL) != NATSKIT_OK) {
        return;
    }
    TT(natskit_nkey_verify, public, sizeof public, "x", 1, signature, sizeof signature, NULL);
    TT_OR(NATSKIT_SIGNATURE, natskit_nkey_verify, public, sizeof public, "y", 1, signature, sizeof signature,
          NULL);
}

void tt_scenario_issue(void)
{
    char jwt[4096];
    char text[8192];
    size_t len = 0;
    int64_t expires = 0;
    natskit_error err = {0};
    natskit_options options = tt_options(NATSKIT_OPTIONS_USER_JWT);
    natskit_status got = natskit_options_set(options, "tags", Z, "a,b", Z, &err);
    tt_check_error("natskit_options_set", got, NATSKIT_OK, &err);
    got = natskit_jwt_issue_user(ACCOUNT_SEED, Z, PUBLIC, Z, options, jwt, sizeof jwt, &len, &err);
    if (tt_check_error("natskit_jwt_issue_user", got, NATSKIT_OK, &err) == NATSKIT_OK) {
        TT(natskit_jwt_expiry, jwt, len, &expires, NULL);
        TT(natskit_creds_format, jwt, len, SEED, Z, text, sizeof text, &len, NULL);
    }
}
