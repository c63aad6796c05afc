/* What handle_rows.c needs for keys and credentials; a part of that file alone. */
#ifndef TESTS_CAPI_HANDLE_AUTH_H
#define TESTS_CAPI_HANDLE_AUTH_H

#define AUTH_SEED "SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU"
#define AUTH_USER "UCK5N7N66OBOINFXAYC2ACJQYFSOD4VYNU6APEJTAVFZB2SVHLKGEW7L"

static uint8_t auth_signature[NATSKIT_SIGNATURE_LEN];

CALL(options_context, natskit_options_context(H_OPTIONS, "no such context", Z, &error))
CALL(jwt_issue_options,
     natskit_jwt_issue_user(AUTH_SEED, Z, AUTH_USER, Z, H_OPTIONS, room, sizeof room, &count, &error))

#define AUTH_ROWS                                                                                            \
    ROW(natskit_options_context, OPTIONS, options_context),                                                  \
        ROW_OPTIONAL(natskit_jwt_issue_user, OPTIONS, jwt_issue_options)

BAD(options_context_name, natskit_options_context(options, NULL, 1, &error))
BAD(options_context_climbs, natskit_options_context(options, "../x", Z, &error))
BAD(nkey_create_role, natskit_nkey_create('X', room, sizeof room, &count, &error))
BAD(nkey_create_buf, natskit_nkey_create('U', NULL, 58, &count, &error))
BAD(nkey_create_len, natskit_nkey_create('U', room, sizeof room, NULL, &error))
BAD(nkey_public_seed, natskit_nkey_public(NULL, 1, room, sizeof room, &count, &error))
BAD(nkey_public_buf, natskit_nkey_public(AUTH_SEED, Z, NULL, 1, &count, &error))
BAD(nkey_public_len, natskit_nkey_public(AUTH_SEED, Z, room, sizeof room, NULL, &error))
BAD(nkey_sign_seed, natskit_nkey_sign(NULL, Z, "x", 1, auth_signature, &error))
BAD(nkey_sign_data, natskit_nkey_sign(AUTH_SEED, Z, NULL, 1, auth_signature, &error))
BAD(nkey_sign_out, natskit_nkey_sign(AUTH_SEED, Z, "x", 1, NULL, &error))
BAD(nkey_verify_key, natskit_nkey_verify(NULL, 1, "x", 1, auth_signature, 64, &error))
BAD(nkey_verify_data, natskit_nkey_verify(AUTH_USER, Z, NULL, 1, auth_signature, 64, &error))
BAD(nkey_verify_signature, natskit_nkey_verify(AUTH_USER, Z, "x", 1, NULL, 64, &error))
BAD(jwt_issue_seed, natskit_jwt_issue_user(NULL, 1, AUTH_USER, Z, NO_OPTIONS, room, 1, &count, &error))
BAD(jwt_issue_user, natskit_jwt_issue_user(AUTH_SEED, Z, NULL, 1, NO_OPTIONS, room, 1, &count, &error))
BAD(jwt_issue_scope, natskit_jwt_issue_user(AUTH_SEED, Z, AUTH_USER, Z, options, room, 1, &count, &error))
BAD(jwt_issue_buf, natskit_jwt_issue_user(AUTH_SEED, Z, AUTH_USER, Z, NO_OPTIONS, NULL, 1, &count, &error))
BAD(jwt_issue_len, natskit_jwt_issue_user(AUTH_SEED, Z, AUTH_USER, Z, NO_OPTIONS, room, 1, NULL, &error))
BAD(jwt_expiry_jwt, natskit_jwt_expiry(NULL, 1, &duration, &error))
BAD(jwt_expiry_out, natskit_jwt_expiry("e30.e30.c2ln", Z, NULL, &error))
BAD(creds_format_jwt, natskit_creds_format(NULL, 1, AUTH_SEED, Z, room, sizeof room, &count, &error))
BAD(creds_format_seed, natskit_creds_format("a.b.c", Z, NULL, 1, room, sizeof room, &count, &error))
BAD(creds_format_buf, natskit_creds_format("a.b.c", Z, AUTH_SEED, Z, NULL, 1, &count, &error))
BAD(creds_format_len, natskit_creds_format("a.b.c", Z, AUTH_SEED, Z, room, sizeof room, NULL, &error))

#define AUTH_BADS                                                                                            \
    BAD_ROW(natskit_options_context, options_context_name),                                                  \
        BAD_ROW(natskit_options_context, options_context_climbs),                                            \
        BAD_ROW(natskit_nkey_create, nkey_create_role), BAD_ROW(natskit_nkey_create, nkey_create_buf),       \
        BAD_ROW(natskit_nkey_create, nkey_create_len), BAD_ROW(natskit_nkey_public, nkey_public_seed),       \
        BAD_ROW(natskit_nkey_public, nkey_public_buf), BAD_ROW(natskit_nkey_public, nkey_public_len),        \
        BAD_ROW(natskit_nkey_sign, nkey_sign_seed), BAD_ROW(natskit_nkey_sign, nkey_sign_data),              \
        BAD_ROW(natskit_nkey_sign, nkey_sign_out), BAD_ROW(natskit_nkey_verify, nkey_verify_key),            \
        BAD_ROW(natskit_nkey_verify, nkey_verify_data), BAD_ROW(natskit_nkey_verify, nkey_verify_signature), \
        BAD_ROW(natskit_jwt_issue_user, jwt_issue_seed), BAD_ROW(natskit_jwt_issue_user, jwt_issue_user),    \
        BAD_ROW(natskit_jwt_issue_user, jwt_issue_scope), BAD_ROW(natskit_jwt_issue_user, jwt_issue_buf),    \
        BAD_ROW(natskit_jwt_issue_user, jwt_issue_len), BAD_ROW(natskit_jwt_expiry, jwt_expiry_jwt),         \
        BAD_ROW(natskit_jwt_expiry, jwt_expiry_out), BAD_ROW(natskit_creds_format, creds_format_jwt),        \
        BAD_ROW(natskit_creds_format, creds_format_seed), BAD_ROW(natskit_creds_format, creds_format_buf),   \
        BAD_ROW(natskit_creds_format, creds_format_len)

#endif
