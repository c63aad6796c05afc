// natskit from Node, by koffi (`npm install koffi`), which needs no compiler and no N-API code: `node hello.cjs`. All types
// come from natskit.abi.json. What waits is called by koffi's `async`, in a thread of its pool, so that Node's loop goes on.
'use strict';
const { execFileSync } = require('node:child_process');
const { readFileSync } = require('node:fs');
const { promisify } = require('node:util');
const koffi = require('koffi');

const told = (name) => execFileSync('pkg-config', [`--variable=${name}`, 'natskit'], { encoding: 'utf8' }).trim();
const abi = JSON.parse(readFileSync(process.env.NATSKIT_DECLARATIONS || told('abi'), 'utf8'));
const library = koffi.load(process.env.NATSKIT_LIBRARY || `${told('libdir')}/libnatskit.so`);

// A handle is a number below 2^53. Pointers that only come out of the library (messages, texts) stay pointers.
koffi.alias('natskit_status', 'int32_t');
for (const name of abi.handles) koffi.alias(name, 'uint64_t');
for (const name of abi.opaque) koffi.opaque(name);
const bytes = (type) => (/^(const )?(char|uint8_t)\*$/.test(type) ? 'const void *' : type);
const structs = {};
for (const { name, fields } of abi.structs) {
  const pairs = fields.map((f) => [f.name, f.length ? koffi.array(f.type, f.length) : bytes(f.type)]);
  structs[name] = koffi.struct(name, Object.fromEntries(pairs));
}
// What a function writes goes to a buffer that the caller makes, so every pointer can be a plain address.
const nk = {};
for (const { name, parameters } of abi.functions) {
  const types = parameters.map((p) => (p.type.endsWith('*') ? 'void *' : p.type));
  nk[name.replace('natskit_', '')] = library.func(name, 'int32_t', types);
}

const make = (name) => Buffer.alloc(koffi.sizeof(structs[`natskit_${name}`]));
const read = (name, buffer) => koffi.decode(buffer, structs[`natskit_${name}`]);
const word = () => Buffer.alloc(8); // a handle, a pointer, a size
const handle = (buffer) => buffer.readBigUInt64LE();
const pointer = (buffer) => koffi.decode(buffer, 'void *');
const text = (address, length) => (length ? koffi.decode(address, koffi.array('char', Number(length), 'String')) : '');

function check(status) {
  if (status === 0) return;
  const info = make('status_info');
  nk.status_describe(status, info, info.length);
  throw new Error(koffi.decode(read('status_info', info).name, 'char', -1));
}
async function waits(name, ...args) {
  check(await promisify(nk[name].async)(...args));
}
async function nextMessage(sub, timeout) {
  const out = word();
  await waits('sub_next', sub, timeout, out);
  return pointer(out);
}
function view(msg) {
  const buffer = make('message_view');
  check(nk.msg_view(msg, buffer, buffer.length));
  return read('message_view', buffer);
}

async function main() {
  const version = word();
  check(nk.version(null, null, version));
  console.log(`natskit ${koffi.decode(pointer(version), 'char', -1)}`);

  const url = Buffer.from(process.env.NATS_URL || 'nats://127.0.0.1:4222');
  const [out, err] = [word(), make('error')];
  await waits('connect', url, url.length, 0, 5000, out, err);
  const conn = handle(out);
  check(nk.subscribe(conn, Buffer.from('greet.*'), 7, null, 0, 0, out, err));
  const sub = handle(out);
  check(nk.publish(conn, Buffer.from('greet.joe'), 9, null, 0, 0, Buffer.from('hello'), 5, 1000));
  const msg = await nextMessage(sub, 5000);
  let seen = view(msg);
  console.log(`${text(seen.subject, seen.subject_len)}: ${text(seen.data, seen.data_len)}`);
  check(nk.msg_release(msg));

  // A request to ourselves: one waitset reports the question as well as the answer, by the tags that it was given.
  const [QUESTION, ANSWER] = [1, 2];
  const [ready, count] = [make('ready'), word()];
  check(nk.waitset_open(out));
  const waitset = handle(out);
  check(nk.waitset_add(waitset, sub, QUESTION));
  check(nk.request_start(conn, Buffer.from('greet.me'), 8, 0, Buffer.from('6 * 7'), 5, 0, 5000, out, err));
  const op = handle(out);
  check(nk.waitset_add(waitset, op, ANSWER));
  for (let tag = 0; tag !== ANSWER; ) {
    await waits('waitset_wait', waitset, ready, ready.length, 1, 5000, count);
    tag = Number(read('ready', ready).tag);
    if (tag === QUESTION) {
      const question = await nextMessage(sub, 0);
      check(nk.msg_respond(question, 0, Buffer.from('42'), 2, 1000));
      check(nk.msg_release(question));
    }
  }
  check(nk.op_take_msg(op, out));
  const answer = pointer(out);
  seen = view(answer);
  console.log(`answer: ${text(seen.data, seen.data_len)}`);
  check(nk.msg_release(answer));
  check(nk.op_close(op));
  check(nk.waitset_close(waitset));

  // A failure has a text; a handle that is closed is known to be, for ever.
  nk.subscribe(conn, Buffer.from('not valid'), 9, null, 0, 0, word(), err);
  console.log(`error: ${read('error', err).text}`);
  check(nk.sub_close(sub));
  await waits('conn_close', conn, 2000);
  console.log(`closed: ${nk.flush(conn, 1000) === abi.constants.NATSKIT_CLOSED}`);
}

main();
