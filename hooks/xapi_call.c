/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xapi_call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xmlrpc-c/base.h>

#include "cleanup.h"

/* ---- reading ---- */

static int broken(const xmlrpc_env *env, const char *what, struct err *err)
{
	return err_set(err, ERR_USAGE, -EINVAL, "%s: %s", what, env->fault_string);
}

/* A text to free(), typed or not: the library knows no difference. */
static int read_text(const xmlrpc_value *value, const char *what, char **text, struct err *err)
{
	xmlrpc_env env;
	const char *read = NULL;
	int rc = 0;

	xmlrpc_env_init(&env);
	xmlrpc_read_string(&env, value, &read);
	if (env.fault_occurred)
		rc = broken(&env, what, err);
	else if (!(*text = strdup(read)))
		rc = err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	free((char *)read);
	xmlrpc_env_clean(&env);
	return rc;
}

/* Argument `index` of the struct. */
static int read_arg(xmlrpc_value *args, unsigned index, struct xapi_call *call, struct err *err)
{
	xmlrpc_value *name = NULL, *value = NULL;
	xmlrpc_env env;
	int rc;

	xmlrpc_env_init(&env);
	xmlrpc_struct_read_member(&env, args, index, &name, &value);
	if (env.fault_occurred) {
		rc = broken(&env, "the arguments cannot be read", err);
	} else {
		call->count = index + 1;
		rc = read_text(name, "an argument's name", &call->args[index].name, err);
		if (rc == 0)
			rc = read_text(value, call->args[index].name, &call->args[index].value,
				       err);
		xmlrpc_DECREF(name);
		xmlrpc_DECREF(value);
	}
	xmlrpc_env_clean(&env);
	return rc;
}

static int read_args(xmlrpc_value *args, struct xapi_call *call, struct err *err)
{
	xmlrpc_env env;
	int count = -1, rc = 0;

	xmlrpc_env_init(&env);
	if (xmlrpc_value_type(args) == XMLRPC_TYPE_STRUCT)
		count = xmlrpc_struct_size(&env, args);
	xmlrpc_env_clean(&env);
	if (count < 0)
		return err_set(err, ERR_USAGE, -EINVAL, "the second parameter is no struct");
	if (count > XAPI_ARGS_MAX)
		return err_set(err, ERR_USAGE, -E2BIG, "%d arguments, and %d may be", count,
			       XAPI_ARGS_MAX);
	for (unsigned i = 0; i < (unsigned)count && rc == 0; i++)
		rc = read_arg(args, i, call, err);
	return rc;
}

/* A session, which xapi has looked at already, and the arguments. */
static int read_params(xmlrpc_value *params, struct xapi_call *call, struct err *err)
{
	xmlrpc_value *args = NULL;
	xmlrpc_env env;
	int rc;

	xmlrpc_env_init(&env);
	if (xmlrpc_array_size(&env, params) != 2)
		rc = err_set(err, ERR_USAGE, -EINVAL,
			     "a plugin is called with a session and a struct, and nothing else");
	else
		rc = 0;
	if (rc == 0) {
		xmlrpc_array_read_item(&env, params, 1, &args);
		if (env.fault_occurred)
			rc = broken(&env, "the parameters cannot be read", err);
	}
	if (rc == 0)
		rc = read_args(args, call, err);
	if (args)
		xmlrpc_DECREF(args);
	xmlrpc_env_clean(&env);
	return rc;
}

int xapi_call_read(const char *text, size_t size, struct xapi_call *call, struct err *err)
{
	const char *function = NULL;
	xmlrpc_value *params = NULL;
	xmlrpc_env env;
	int rc = 0;

	if (size >= XAPI_CALL_MAX)
		return err_set(err, ERR_USAGE, -E2BIG, "the call is longer than %d bytes",
			       XAPI_CALL_MAX - 1);
	xmlrpc_env_init(&env);
	xmlrpc_parse_call(&env, text, size, &function, &params);
	if (env.fault_occurred)
		rc = broken(&env, "the argument is no XML-RPC methodCall", err);
	else if (!(call->function = strdup(function)))
		rc = err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	if (rc == 0)
		rc = read_params(params, call, err);
	free((char *)function);
	if (params)
		xmlrpc_DECREF(params);
	xmlrpc_env_clean(&env);
	return rc;
}

void xapi_call_fini(struct xapi_call *call)
{
	for (size_t i = 0; i < call->count; i++) {
		free(call->args[i].name);
		free(call->args[i].value);
	}
	free(call->function);
	*call = (struct xapi_call){ .function = NULL };
}

const char *xapi_call_arg(const struct xapi_call *call, const char *name)
{
	for (size_t i = 0; i < call->count; i++)
		if (strcmp(call->args[i].name, name) == 0)
			return call->args[i].value;
	return NULL;
}

/* ---- answering ---- */

/* When there is no memory for a better one. */
static const char last_resort[] =
	"<?xml version=\"1.0\"?><methodResponse><params><param><value><struct>"
	"<member><name>Status</name><value>Failure</value></member>"
	"<member><name>ErrorDescription</name><value><array><data><value>INTERNAL_ERROR</value>"
	"<value>xenferry's plugin could not write its answer</value></data></array></value>"
	"</member></struct></value></param></params></methodResponse>\n";

static xmlrpc_value *plain_text(xmlrpc_env *env, const char *text)
{
	CLEANUP_FREE char *plain = strdup(text);

	for (char *c = plain; c && *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	return xmlrpc_string_new(env, plain ? plain : "");
}

/* The library takes UTF-8 alone. */
static xmlrpc_value *make_text(xmlrpc_env *env, const char *text)
{
	xmlrpc_value *made = xmlrpc_string_new(env, text);

	if (env->fault_occurred) {
		xmlrpc_env_clean(env);
		xmlrpc_env_init(env);
		made = plain_text(env, text);
	}
	return env->fault_occurred ? NULL : made;
}

static xmlrpc_value *make_texts(xmlrpc_env *env, const char *const *texts, size_t count)
{
	xmlrpc_value *array = xmlrpc_array_new(env);

	for (size_t i = 0; i < count && !env->fault_occurred; i++) {
		xmlrpc_value *text = make_text(env, texts[i]);

		if (!env->fault_occurred) {
			xmlrpc_array_append_item(env, array, text);
			xmlrpc_DECREF(text);
		}
	}
	return env->fault_occurred ? NULL : array;
}

/* Writes {"Status": status, name: value}; takes `value`. */
static void answer(FILE *out, xmlrpc_env *env, const char *status, const char *name,
		   xmlrpc_value *value)
{
	xmlrpc_value *answered = NULL, *text = NULL;
	xmlrpc_mem_block *block = NULL;

	if (!env->fault_occurred)
		text = xmlrpc_string_new(env, status);
	if (!env->fault_occurred)
		answered = xmlrpc_struct_new(env);
	if (!env->fault_occurred)
		xmlrpc_struct_set_value(env, answered, "Status", text);
	if (!env->fault_occurred)
		xmlrpc_struct_set_value(env, answered, name, value);
	if (!env->fault_occurred)
		block = xmlrpc_mem_block_new(env, 0);
	if (!env->fault_occurred)
		xmlrpc_serialize_response(env, block, answered);
	if (env->fault_occurred)
		fputs(last_resort, out);
	else
		fwrite(xmlrpc_mem_block_contents(block), 1, xmlrpc_mem_block_size(block), out);
	if (block)
		xmlrpc_mem_block_free(block);
	if (answered)
		xmlrpc_DECREF(answered);
	if (text)
		xmlrpc_DECREF(text);
	if (value)
		xmlrpc_DECREF(value);
}

void xapi_answer_success(FILE *out, const char *value)
{
	xmlrpc_env env;

	xmlrpc_env_init(&env);
	answer(out, &env, "Success", "Value", make_text(&env, value));
	xmlrpc_env_clean(&env);
}

void xapi_answer_failure(FILE *out, const char *const *description, size_t count)
{
	xmlrpc_env env;

	xmlrpc_env_init(&env);
	answer(out, &env, "Failure", "ErrorDescription", make_texts(&env, description, count));
	xmlrpc_env_clean(&env);
}
