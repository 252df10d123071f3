/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls_context.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "cleanup.h"
#include "tls_report.h"

#define REMEDY "see 'xenferry help pool-certificates'"

/* The first that the connecting side names counts. Without AES in the CPU ChaCha20 is faster. */
#define AES_FIRST "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"
#define CHACHA_FIRST "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"

#define NAME_MAX_BYTES 255
#define READ_AHEAD_BYTES 131072

static const char *ciphers(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_cpu_supports("aes") ? AES_FIRST : CHACHA_FIRST;
#else
	return AES_FIRST;
#endif
}

/* ---- names ---- */

static bool name_to_text(const GENERAL_NAME *name, char *text, size_t size)
{
	int type;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
	const unsigned char *bytes = ASN1_STRING_get0_data(value);
	int length;

	if (type == GEN_IPADD) {
		length = ASN1_STRING_length(value);
		return (length == 4 || length == 16) &&
		       inet_ntop(length == 4 ? AF_INET : AF_INET6, bytes, text, (socklen_t)size);
	}
	if (type != GEN_DNS)
		return false;
	length = ASN1_STRING_length(value);
	for (int i = 0; i < length; i++)
		if (!isalnum(bytes[i]) && !strchr("-._", bytes[i]))
			return false;
	return length > 0 && snprintf(text, size, "%.*s", length, (const char *)bytes) < (int)size;
}

static void names_of(const X509 *certificate, char *names, size_t size)
{
	GENERAL_NAMES *list = NULL;
	size_t used = 0;

	names[0] = '\0';
	if (certificate)
		list = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(list); i++) {
		char text[NAME_MAX_BYTES + 1];
		size_t length;

		if (!name_to_text(sk_GENERAL_NAME_value(list, i), text, sizeof(text)))
			continue;
		length = strlen(text);
		if (used + length + 2 > size)
			break;
		used += (size_t)snprintf(names + used, size - used, "%s ", text);
	}
	GENERAL_NAMES_free(list);
}

void tls_session_names(SSL *session, char *names, size_t size)
{
	names_of(SSL_get0_peer_certificate(session), names, size);
}

static char refused_names[TLS_NAMES_MAX]; /* a process has one peer */

const char *tls_refused_names(void)
{
	return refused_names;
}

/* The library's callback for each certificate; what it found stands. */
static int note_verdict(int accepted, X509_STORE_CTX *chain)
{
	if (!accepted)
		names_of(X509_STORE_CTX_get0_cert(chain), refused_names, sizeof(refused_names));
	return accepted;
}

/* ---- files ---- */

static int check_file(const char *path, const char *what, bool secret, struct err *err)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;

	if (fd < 0)
		return err_set(err, ERR_REFUSED, -errno, "%s cannot be read from %s: %s; " REMEDY,
			       what, path, strerror(errno));
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return err_set(err, ERR_REFUSED, -EINVAL, "%s, %s, is no file", path, what);
	if (secret && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return err_set(err, ERR_REFUSED, -EPERM,
			       "%s, %s, is open to others: chmod 600 it, and make another key if "
			       "somebody may have read it", path, what);
	return 0;
}

static int no_pem(const char *path, const char *what, struct err *err)
{
	return err_set(err, ERR_REFUSED, -EBADMSG, "%s is not %s in PEM form: %s; " REMEDY, path,
		       what, ERR_reason_error_string(ERR_peek_last_error()) ?: "it is empty");
}

/* Nobody is there to be asked for a passphrase. */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)context;
	return 0;
}

static int load_files(SSL_CTX *context, const struct tls_paths *paths, struct err *err)
{
	static const char certificate[] = "this host's certificate", key[] = "this host's key",
			  ca[] = "the certificate of the pool's authority";
	int rc = check_file(paths->certificate, certificate, false, err);

	if (rc == 0)
		rc = check_file(paths->key, key, true, err);
	if (rc == 0)
		rc = check_file(paths->ca, ca, false, err);
	if (rc < 0)
		return rc;
	if (SSL_CTX_use_certificate_chain_file(context, paths->certificate) != 1)
		return no_pem(paths->certificate, certificate, err);
	if (SSL_CTX_load_verify_locations(context, paths->ca, NULL) != 1)
		return no_pem(paths->ca, ca, err);
	SSL_CTX_set_default_passwd_cb(context, no_passphrase);
	if (SSL_CTX_use_PrivateKey_file(context, paths->key, SSL_FILETYPE_PEM) != 1 &&
	    ERR_GET_REASON(ERR_peek_error()) != X509_R_KEY_VALUES_MISMATCH)
		return no_pem(paths->key, key, err);
	if (SSL_CTX_check_private_key(context) != 1)
		return err_set(err, ERR_REFUSED, -EINVAL,
			       "the key in %s is not that of the certificate in %s: " REMEDY,
			       paths->key, paths->certificate);
	return 0;
}

int tls_context_open(const struct tls_paths *paths, bool connecting, SSL_CTX **context_out,
		     struct err *err)
{
	SSL_CTX *context = SSL_CTX_new(connecting ? TLS_client_method() : TLS_server_method());
	int rc;

	if (!context || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(context, ciphers()) != 1)
		return err_set(err, ERR_FAILED, -ENOMEM, "the TLS library cannot be set up");
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
			   note_verdict);
	/* A peer says once who it is: no tickets, nothing resumed, nothing early. */
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(context, 0);
	/* The streams have ends of their own; who closes without ceremony is a peer that died. */
	SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
					     SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_ENABLE_KTLS);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Many records at once from the socket: each would else cost two calls. */
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD_BYTES);
	rc = load_files(context, paths, err);
	if (rc < 0)
		SSL_CTX_free(context);
	else
		*context_out = context;
	ERR_clear_error();
	return rc;
}

/* ---- sessions ---- */

static bool demand_name(SSL *session, const char *name)
{
	X509_VERIFY_PARAM *demands = SSL_get0_param(session);

	X509_VERIFY_PARAM_set_hostflags(demands, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
							 X509_CHECK_FLAG_NO_WILDCARDS);
	return X509_VERIFY_PARAM_set1_ip_asc(demands, name) == 1 ||
	       X509_VERIFY_PARAM_set1_host(demands, name, 0) == 1;
}

int tls_session_open(SSL_CTX *context, int socket, const char *name, SSL **session_out,
		     struct err *err)
{
	SSL *session = SSL_new(context);

	if (!session || SSL_set_fd(session, socket) != 1 || (name && !demand_name(session, name)))
		return err_set(err, ERR_FAILED, -ENOMEM, "a TLS session cannot be begun");
	if (name)
		SSL_set_connect_state(session);
	else
		SSL_set_accept_state(session);
	*session_out = session;
	return 0;
}
