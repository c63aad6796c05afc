/* Chunks of a snapshot on their way back: see restore.h. A chain of one request; the reply runs under the
 * engine lock. */
#include "jetstream/restore.h"

#include "base/alloc.h"
#include "base/json.h"
#include "client/chain.h"
#include "client/driver.h"
#include "jetstream/api_error.h"

struct chunk {
    struct nki_chain chain;
    char bytes[]; /* subject, data */
};

static void free_chunk(struct nki_op_part *part)
{
    struct nki_chain *chain = NKI_CONTAINER_OF(part, struct nki_chain, part);
    nki_free(NKI_CONTAINER_OF(chain, struct chunk, chain));
}

/* What the server says: nothing to a chunk, or an error; the info of the stream to the end, or an error. */
static int32_t read_answer(const struct nki_chain *chain, struct nki_str data, struct nki_error *error)
{
    struct nki_json_value answer;
    struct nki_json_value part;
    bool end = chain->out.data.len == 0;
    if (data.len == 0 && !end) {
        return NKI_OK;
    }
    if (!nki_json_check(data, &answer) || answer.type != NKI_JSON_OBJECT) {
        return nki_error_set(error, NKI_PROTOCOL, "the answer to a chunk of a snapshot is no JSON object");
    }
    return nki_json_member(&answer, NKI_STR("error"), &part) ? nki_js_read_error(&part, error) : NKI_OK;
}

static enum nki_chain_next reply(struct nki_chain *chain, int32_t status, struct nki_msg *msg,
                                 struct nki_chain_end *end)
{
    if (status != NKI_OK) {
        end->outcome = status == NKI_NO_RESPONDERS ? NKI_OUTCOME_REJECTED : NKI_OUTCOME_UNKNOWN;
        end->status = nki_error_set(
            &end->error, status,
            status == NKI_NO_RESPONDERS ? "the server takes no chunks of this snapshot any more" : NULL);
        return NKI_CHAIN_ENDS;
    }
    end->status = read_answer(chain, nki_msg_data(msg), &end->error);
    end->outcome = end->status == NKI_OK ? NKI_OUTCOME_DONE : NKI_OUTCOME_REJECTED;
    if (end->status == NKI_OK) {
        end->msg = msg;
    } else {
        nki_msg_release(msg);
    }
    return NKI_CHAIN_ENDS;
}

static const struct nki_chain_ops chunk_ops = {reply};

int32_t nki_js_restore_chunk(struct nki_js *js, struct nki_str subject, struct nki_str chunk,
                             const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err)
{
    struct chunk *made = nki_alloc(sizeof *made + subject.len + chunk.len);
    if (made == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    *made = (struct chunk){.chain = {.part = {free_chunk}, .ops = &chunk_ops}};
    memcpy(made->bytes, subject.ptr, subject.len);
    if (chunk.len > 0) {
        memcpy(made->bytes + subject.len, chunk.ptr, chunk.len);
    }
    made->chain.out = (struct nki_outgoing_msg){.subject = nki_str_make(made->bytes, subject.len),
                                                .header_block = NKI_STR(""),
                                                .data = nki_str_make(made->bytes + subject.len, chunk.len)};
    return nki_conn_chain(js->conn, &made->chain, begin->deadline_ns, begin->timed, begin->wait_room, op,
                          err);
}
