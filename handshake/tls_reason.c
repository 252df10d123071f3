/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls_reason.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "tls_context.h"

#define OTHER_POOL "is not of this pool: another authority signed it than the one in [peer] ca"

/* What was found wrong with the peer's certificate here. */
static const struct {
	int verdict;
	const char *words;
} verdicts[] = {
	{ X509_V_ERR_CERT_HAS_EXPIRED, "has expired: have it renewed (pool-certificates)" },
	{ X509_V_ERR_CERT_NOT_YET_VALID, "is not valid yet: set the clocks of both hosts" },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, OTHER_POOL },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, OTHER_POOL },
	{ X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, OTHER_POOL },
	{ X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, OTHER_POOL },
	{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, OTHER_POOL },
	{ X509_V_ERR_CERT_SIGNATURE_FAILURE, OTHER_POOL },
	{ X509_V_ERR_INVALID_PURPOSE, "is not made out for a host of a pool" },
};

/* What the peer told us of ours, in an alert. */
static const struct {
	int alert;
	const char *words;
} alerts[] = {
	{ SSL_AD_CERTIFICATE_EXPIRED, "it has expired, or a clock is wrong" },
	{ SSL_AD_UNKNOWN_CA, "another authority signed it than that of the peer's pool" },
	{ SSL_AD_CERTIFICATE_REQUIRED, "none was shown" },
	{ SSL_AD_UNSUPPORTED_CERTIFICATE, "it is not made out for a host of a pool" },
	{ SSL_AD_CERTIFICATE_REVOKED, "it was revoked" },
	{ SSL_AD_BAD_CERTIFICATE, "it is not valid, or does not bear the name that was expected" },
	{ SSL_AD_CERTIFICATE_UNKNOWN, "it is not accepted there" },
	{ SSL_AD_ACCESS_DENIED, "it is not accepted there" },
};

static int say_verdict(long verdict, const char *name, struct err *err)
{
	const char *names = tls_refused_names();

	if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH) {
		return err_set(
			err, ERR_REFUSED, -EKEYREJECTED,
			"the peer's certificate is not that of %s but of: %s(the certificate "
			"name stands in hosts.json)",
			name ? name : "a host", names[0] ? names : "nobody ");
	}
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		if (verdicts[i].verdict == verdict)
			return err_set(err, ERR_REFUSED, -EKEYREJECTED,
				       "the peer's certificate %s", verdicts[i].words);
	return err_set(err, ERR_REFUSED, -EKEYREJECTED, "the peer's certificate is refused: %s",
		       X509_verify_cert_error_string(verdict));
}

/* An alert that the peer sent; false when it is not about our certificate. */
static bool say_alert(int reason, struct err *err)
{
	for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++) {
		if (reason - SSL_AD_REASON_OFFSET != alerts[i].alert)
			continue;
		(void)err_set(err, ERR_REFUSED, -EKEYREJECTED,
			      "the peer refused this host's certificate: %s", alerts[i].words);
		return true;
	}
	return false;
}

static int say_error(SSL *session, unsigned long error, const char *name, struct err *err)
{
	int reason = ERR_GET_REASON(error);

	switch (reason) {
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
		return say_verdict(SSL_get_verify_result(session), name, err);
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
		return err_set(err, ERR_REFUSED, -EKEYREJECTED, "the peer showed no certificate");
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
	case SSL_R_PACKET_LENGTH_TOO_LONG:
	case SSL_R_UNEXPECTED_MESSAGE:
		return err_set(
			err, ERR_NO_PEER, -EPROTO,
			"the peer does not speak TLS: is tls = off under [peer] there, or is "
			"it no xenferryd?");
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
		return err_set(err, ERR_NO_PEER, -EPROTO,
			       "the peer does not speak TLS 1.3, and nothing older is accepted");
	case SSL_R_UNEXPECTED_EOF_WHILE_READING:
		return err_set(
			err, ERR_NO_PEER, -ECONNRESET,
			"the peer closed the connection during the TLS handshake; its log may "
			"say why");
	}
	if (ERR_GET_LIB(error) == ERR_LIB_SSL && say_alert(reason, err))
		return -EKEYREJECTED;
	return err_set(err, ERR_NO_PEER, -EPROTO, "TLS with the peer failed: %s",
		       ERR_reason_error_string(error) ?: "of unknown cause");
}

int tls_reason(SSL *session, int result, const char *name, struct err *err)
{
	int system_errno = errno, rc;
	unsigned long error = ERR_peek_error();

	if (SSL_get_error(session, result) == SSL_ERROR_ZERO_RETURN || (!error && !system_errno))
		rc = err_set(err, ERR_NO_PEER, -ECONNRESET,
			     "the peer closed the connection during the TLS handshake; its log may "
			     "say why");
	else if (error)
		rc = say_error(session, error, name, err);
	else
		rc = err_set(err, ERR_NO_PEER, -ECONNRESET,
			     "the connection was lost during the TLS handshake: %s; does the peer "
			     "speak TLS, and what does its log say?", strerror(system_errno));
	ERR_clear_error();
	return rc;
}
