-- natskit from LuaJIT's ffi: `luajit hello.lua`. The module of bindings/lua is the better choice for Lua; this
-- shows what any program with an FFI can do.
local ffi = require("ffi")

local function pkg_config(variable)
    local pipe = assert(io.popen("pkg-config --variable=" .. variable .. " natskit"))
    local value = pipe:read("*l")
    pipe:close()
    return assert(value, "pkg-config does not know natskit")
end

local file = assert(io.open(os.getenv("NATSKIT_DECLARATIONS") or pkg_config("cdef")))
ffi.cdef(file:read("*a"))
file:close()
local nk = ffi.load(os.getenv("NATSKIT_LIBRARY") or "natskit")

-- Handles are structs of one number and go by value; all zero means "none".
local defaults, no_headers = ffi.new("natskit_options"), ffi.new("natskit_headers")
local err = ffi.new("natskit_error")

local function check(status)
    if status ~= 0 then
        local info = ffi.new("natskit_status_info")
        nk.natskit_status_describe(status, info, ffi.sizeof(info))
        error(ffi.string(info.name), 2)
    end
end

-- Takes the next message; its reference goes with the Lua object.
local function next_msg(sub, timeout_ms)
    local out = ffi.new("natskit_msg *[1]")
    check(nk.natskit_sub_next(sub, timeout_ms, out))
    return ffi.gc(out[0], nk.natskit_msg_release)
end

local function view_of(msg)
    local view = ffi.new("natskit_message_view")
    check(nk.natskit_msg_view(msg, view, ffi.sizeof(view)))
    return view
end

local version = ffi.new("const char *[1]")
check(nk.natskit_version(nil, nil, version))
print("natskit " .. ffi.string(version[0]))

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local conn, sub = ffi.new("natskit_conn"), ffi.new("natskit_sub")
check(nk.natskit_connect(url, #url, defaults, 5000, conn, err))
check(nk.natskit_subscribe(conn, "greet.*", 7, nil, 0, defaults, sub, err))
check(nk.natskit_publish(conn, "greet.joe", 9, nil, 0, no_headers, "hello", 5, 1000))
local msg = next_msg(sub, 5000)
local view = view_of(msg)
print(ffi.string(view.subject, view.subject_len) .. ": " .. ffi.string(view.data, view.data_len))

-- A request to ourselves: one waitset reports the question as well as the answer, by the tags that it was given.
local QUESTION, ANSWER = 1, 2
local waitset, op, ready = ffi.new("natskit_waitset"), ffi.new("natskit_op"), ffi.new("natskit_ready")
local count, answer = ffi.new("size_t[1]"), nil
check(nk.natskit_waitset_open(waitset))
check(nk.natskit_waitset_add(waitset, sub.id, QUESTION))
check(nk.natskit_request_start(conn, "greet.me", 8, no_headers, "6 * 7", 5, defaults, 5000, op, err))
check(nk.natskit_waitset_add(waitset, op.id, ANSWER))
while not answer do
    check(nk.natskit_waitset_wait(waitset, ready, ffi.sizeof(ready), 1, 5000, count))
    if tonumber(ready.tag) == QUESTION then
        check(nk.natskit_msg_respond(next_msg(sub, 0), no_headers, "42", 2, 1000))
    else
        local out = ffi.new("natskit_msg *[1]")
        check(nk.natskit_op_take_msg(op, out))
        answer = ffi.gc(out[0], nk.natskit_msg_release)
    end
end
view = view_of(answer)
print("answer: " .. ffi.string(view.data, view.data_len))
check(nk.natskit_op_close(op))
check(nk.natskit_waitset_close(waitset))

-- A failure has a text; a handle that is closed is known to be, for ever.
nk.natskit_subscribe(conn, "not valid", 9, nil, 0, defaults, ffi.new("natskit_sub"), err)
print("error: " .. ffi.string(err.text))
check(nk.natskit_sub_close(sub))
check(nk.natskit_conn_close(conn, 2000))
print("closed: " .. tostring(nk.natskit_flush(conn, 1000) == nk.NATSKIT_CLOSED))
