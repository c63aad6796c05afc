/* The begin of every use of OpenSSL. */
#ifndef NKI_BASE_OPENSSL_H
#define NKI_BASE_OPENSSL_H

/* Before anything of OpenSSL is called; cheap when done before. Any thread. */
void nki_openssl_begin(void);

#endif
