/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reason.h"

#include <stdio.h>

#include "wire.h"

#define CODE_TEXT_MAX 32

void reason_encode(const struct err *reason, struct tlv_writer *writer)
{
	char words[ERR_MESSAGE_MAX];
	size_t size = 0;

	for (; size < sizeof(words) - 1 && reason->message[size]; size++) {
		unsigned char byte = (unsigned char)reason->message[size];

		words[size] = byte < ' ' || byte == 0x7f ? ' ' : reason->message[size];
	}
	words[size] = '\0';
	tlv_put_string(writer, WIRE_FIELD_CODE, err_text(reason->code));
	tlv_put_string(writer, WIRE_FIELD_MESSAGE, words);
}

int reason_decode(const void *bytes, size_t size, const char *peer, int rc, struct err *err)
{
	char code_text[CODE_TEXT_MAX] = "", words[ERR_MESSAGE_MAX] = "";
	struct tlv_reader reader;
	struct tlv_field field;
	enum err_code code;

	/* Damage is no obstacle here: what can be read is shown, the rest is a failure anyway. */
	tlv_reader_init(&reader, bytes, size);
	while (tlv_next(&reader, &field) > 0) {
		if (field.type == WIRE_FIELD_CODE)
			(void)tlv_get_string(&field, code_text, sizeof(code_text));
		else if (field.type == WIRE_FIELD_MESSAGE)
			(void)tlv_get_string(&field, words, sizeof(words));
	}
	code = err_from_text(code_text);
	if (code == ERR_NONE)
		code = ERR_FAILED; /* a peer that gives up with "none" has failed all the same */
	return err_set(err, code, rc, "%s: %s", peer,
		       words[0] ? words : "it gave no reason that can be shown");
}
