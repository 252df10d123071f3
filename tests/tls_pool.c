/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls_pool.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "cleanup.h"

#define HOUR_S 3600

static void path_of(const struct tls_pool *pool, const char *label, const char *suffix,
		    char path[POOL_PATH_MAX])
{
	snprintf(path, POOL_PATH_MAX, "%s/%s.%s", pool->folder, label, suffix);
}

static EVP_PKEY *read_key(const char *path)
{
	CLEANUP_FILE FILE *file = fopen(path, "re");
	EVP_PKEY *key;

	assert_non_null(file);
	key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	assert_non_null(key);
	return key;
}

static X509 *read_certificate(const char *path)
{
	CLEANUP_FILE FILE *file = fopen(path, "re");
	X509 *certificate;

	assert_non_null(file);
	certificate = PEM_read_X509(file, NULL, NULL, NULL);
	assert_non_null(certificate);
	return certificate;
}

static EVP_PKEY *make_key(const char *path)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	CLEANUP_FILE FILE *file = NULL;

	assert_non_null(key);
	umask(077);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
	return key;
}

static void extend(X509 *certificate, int kind, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, kind, value);

	assert_non_null(extension);
	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

/* Valid for an hour, and of nobody yet. */
static X509 *begin_certificate(const char *label, EVP_PKEY *key, long begins_s, long ends_s)
{
	static long serial;
	X509 *certificate = X509_new();

	assert_non_null(certificate);
	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(certificate), begins_s);
	X509_gmtime_adj(X509_getm_notAfter(certificate), ends_s);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
				   (const unsigned char *)label, -1, -1, 0);
	X509_set_pubkey(certificate, key);
	return certificate;
}

static void end_certificate(X509 *certificate, const X509 *issuer, EVP_PKEY *issuer_key,
			    const char *path)
{
	CLEANUP_FILE FILE *file = fopen(path, "we");

	assert_non_null(file);
	X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
	assert_true(X509_sign(certificate, issuer_key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_X509(file, certificate), 1);
}

static void make_authority(const struct tls_pool *pool, const char *label)
{
	char key_path[POOL_PATH_MAX], path[POOL_PATH_MAX];
	EVP_PKEY *key;
	X509 *certificate;

	path_of(pool, label, "key", key_path);
	path_of(pool, label, "crt", path);
	key = make_key(key_path);
	certificate = begin_certificate(label, key, -HOUR_S, HOUR_S);
	extend(certificate, NID_basic_constraints, "critical,CA:TRUE");
	end_certificate(certificate, certificate, key, path);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

void tls_pool_issue(const struct tls_pool *pool, const char *label, const char *names,
		    const struct tls_flaw *flaw, struct tls_identity *identity)
{
	static const struct tls_flaw none;
	static char program[POOL_PATH_MAX];
	const struct tls_flaw *how = flaw ? flaw : &none;
	char issuer_path[POOL_PATH_MAX], issuer_key_path[POOL_PATH_MAX];
	EVP_PKEY *key, *issuer_key;
	X509 *certificate, *issuer;

	path_of(pool, how->issuer ? how->issuer : "pool", "crt", issuer_path);
	path_of(pool, how->issuer ? how->issuer : "pool", "key", issuer_key_path);
	path_of(pool, label, "crt", identity->certificate);
	path_of(pool, label, "key", identity->key);
	path_of(pool, "pool", "crt", identity->ca);
	issuer = read_certificate(issuer_path);
	issuer_key = read_key(issuer_key_path);
	key = make_key(identity->key);
	certificate = begin_certificate(label, key, how->begins_s ? how->begins_s : -HOUR_S,
					how->ends_s ? how->ends_s : HOUR_S);
	extend(certificate, NID_subject_alt_name, names);
	extend(certificate, NID_ext_key_usage,
	       how->usage ? how->usage : "serverAuth,clientAuth");
	end_certificate(certificate, issuer, issuer_key, identity->certificate);
	X509_free(certificate);
	X509_free(issuer);
	EVP_PKEY_free(key);
	EVP_PKEY_free(issuer_key);
	snprintf(program, sizeof(program), "%s/handshake/xenferry-tls", getenv("top_builddir"));
	identity->files = (struct tls_files){ program, identity->certificate, identity->key,
					      identity->ca };
}

void tls_pool_begin(struct tls_pool *pool)
{
	snprintf(pool->folder, sizeof(pool->folder), "/tmp/xenferry-tls-XXXXXX");
	assert_non_null(mkdtemp(pool->folder));
	make_authority(pool, "pool");
	make_authority(pool, "foreign");
}

void tls_pool_end(struct tls_pool *pool)
{
	CLEANUP_DIR DIR *folder = opendir(pool->folder);
	const struct dirent *entry;

	while (folder && (entry = readdir(folder)))
		(void)unlinkat(dirfd(folder), entry->d_name, 0);
	(void)rmdir(pool->folder);
}
