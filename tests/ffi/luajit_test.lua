-- The C ABI from LuaJIT's ffi, which knows nothing but the plain declarations: handles by value, views, a waitset that
-- is polled, stale handles, finalizers in any order. Against a real server.
--
--   luajit luajit_test.lua LIBRARY DECLARATIONS SUPPORT
--
-- SUPPORT is the folder of testing.lua; $NK_TAP tells it where the helper programs are. Exit code 77: no server.

local library, declarations, support = arg[1], arg[2], arg[3]

local ffi = require("ffi")
local bit = require("bit")

local file = assert(io.open(declarations))
ffi.cdef(file:read("*a"))
file:close()
ffi.cdef([[
struct pollfd { int fd; short events; short revents; };
int poll(struct pollfd *fds, unsigned long count, int timeout);
]])

local nk = ffi.load(library)
local ZLEN = ffi.cast("size_t", -1LL)
local NO_OPTIONS = ffi.new("natskit_options")
local NO_HEADERS = ffi.new("natskit_headers")

-- -- small helpers ----------------------------------------------------------------------------------------------------

local function status_name(status)
    local info = ffi.new("natskit_status_info")
    if nk.natskit_status_describe(status, info, ffi.sizeof(info)) ~= 0 then
        return tostring(status)
    end
    return ffi.string(info.name)
end

local function expect(got, wanted)
    if got ~= wanted then
        error(("status %s, wanted %s"):format(status_name(got), status_name(wanted)), 2)
    end
end

local function ok(got)
    if got ~= 0 then
        error("status " .. status_name(got), 2)
    end
end

local function equal(got, wanted)
    if got ~= wanted then
        error(("got %s, wanted %s"):format(tostring(got), tostring(wanted)), 2)
    end
end

local function connect(url)
    local conn, err = ffi.new("natskit_conn"), ffi.new("natskit_error")
    if nk.natskit_connect(url, #url, NO_OPTIONS, 10000, conn, err) ~= 0 then
        error(ffi.string(err.text), 2)
    end
    return conn
end

local function subscribe(conn, subject)
    local sub = ffi.new("natskit_sub")
    ok(nk.natskit_subscribe(conn, subject, #subject, nil, 0, NO_OPTIONS, sub, nil))
    return sub
end

local function publish(conn, subject, data)
    return nk.natskit_publish(conn, subject, #subject, nil, 0, NO_HEADERS, data, #data, 1000)
end

-- A message whose reference goes with the Lua object.
local function next_msg(sub, timeout)
    local out = ffi.new("natskit_msg *[1]")
    local status = nk.natskit_sub_next(sub, timeout, out)
    if status ~= 0 then
        return nil, status
    end
    return ffi.gc(out[0], nk.natskit_msg_release)
end

local function view_of(msg)
    local view = ffi.new("natskit_message_view")
    ok(nk.natskit_msg_view(msg, view, ffi.sizeof(view)))
    return view
end

local function data_of(msg)
    local view = view_of(msg)
    return ffi.string(view.data, view.data_len)
end

local function readable(fd, timeout)
    local fds = ffi.new("struct pollfd[1]")
    fds[0].fd, fds[0].events = fd, 1 -- POLLIN
    return ffi.C.poll(fds, 1, timeout) == 1 and bit.band(fds[0].revents, 1) ~= 0
end

-- -- the tests --------------------------------------------------------------------------------------------------------

local tests = {}

function tests.version_and_status()
    local major, text = ffi.new("uint32_t[1]"), ffi.new("const char *[1]")
    ok(nk.natskit_version(major, nil, text))
    equal(major[0], nk.NATSKIT_ABI_MAJOR)
    assert(ffi.string(text[0]):match("^%d+%.%d+%.%d+$"))
    local info, count = ffi.new("natskit_status_info"), 0
    while nk.natskit_status_at(count, info, ffi.sizeof(info)) == 0 do
        equal(info.status, nk["NATSKIT_" .. ffi.string(info.name)])
        count = count + 1
    end
    assert(count > 30)
end

function tests.publish_and_receive(url)
    local conn = connect(url)
    local sub = subscribe(conn, "ffi.>")
    for i = 1, 1000 do
        ok(publish(conn, "ffi." .. i, "data " .. i))
    end
    for i = 1, 1000 do
        local msg = assert(next_msg(sub, 10000))
        local view = view_of(msg)
        equal(ffi.string(view.subject, view.subject_len), "ffi." .. i)
        equal(data_of(msg), "data " .. i)
    end
    local _, status = next_msg(sub, 0)
    expect(status, nk.NATSKIT_WOULD_BLOCK)
    expect(publish(conn, "not valid", ""), nk.NATSKIT_INVALID)
    ok(nk.natskit_sub_close(sub))
    ok(nk.natskit_conn_close(conn, 10000))
end

function tests.headers(url)
    local conn = connect(url)
    local sub = subscribe(conn, "h")
    local headers, err = ffi.new("natskit_headers"), ffi.new("natskit_error")
    ok(nk.natskit_headers_open(headers))
    ok(nk.natskit_headers_add(headers, "Name", ZLEN, "value", ZLEN, err))
    expect(nk.natskit_headers_add(headers, "a:b", ZLEN, "value", ZLEN, err), nk.NATSKIT_INVALID)
    assert(#ffi.string(err.text) > 0)
    ok(nk.natskit_publish(conn, "h", ZLEN, nil, 0, headers, nil, 0, 1000))
    ok(nk.natskit_headers_close(headers))
    local msg = assert(next_msg(sub, 10000))
    local value, len = ffi.new("const char *[1]"), ffi.new("size_t[1]")
    ok(nk.natskit_msg_header(msg, "name", ZLEN, nk.NATSKIT_MATCH_IGNORE_CASE, 0, value, len))
    equal(ffi.string(value[0], len[0]), "value")
    ok(nk.natskit_sub_close(sub))
    ok(nk.natskit_conn_close(conn, 10000))
end

-- What an event loop does: requests as operations, one descriptor, records that lead back by their tag.
function tests.requests_with_a_waitset(url)
    local conn = connect(url)
    local service = subscribe(conn, "service")
    local set, fd = ffi.new("natskit_waitset"), ffi.new("int32_t[1]")
    ok(nk.natskit_waitset_open(set))
    ok(nk.natskit_waitset_fd(set, fd))
    assert(not readable(fd[0], 0))
    ok(nk.natskit_waitset_add(set, service.id, 0))
    local ops, waiting = {}, 50
    for tag = 1, waiting do
        local op, data = ffi.new("natskit_op"), "request " .. tag
        ok(nk.natskit_request_start(conn, "service", ZLEN, NO_HEADERS, data, #data, NO_OPTIONS, 10000, op, nil))
        ok(nk.natskit_waitset_add(set, op.id, tag))
        ops[tag] = op
    end
    local records, count = ffi.new("natskit_ready[8]"), ffi.new("size_t[1]")
    while waiting > 0 do
        assert(readable(fd[0], 10000), "the descriptor stays quiet")
        ok(nk.natskit_waitset_wait(set, records, ffi.sizeof("natskit_ready"), 8, 0, count))
        for i = 0, tonumber(count[0]) - 1 do
            local tag = tonumber(records[i].tag)
            if tag == 0 then
                local msg = next_msg(service, 0)
                while msg do
                    local data = data_of(msg):upper()
                    ok(nk.natskit_msg_respond(msg, NO_HEADERS, data, #data, 1000))
                    msg = next_msg(service, 0)
                end
            else
                equal(records[i].kind, nk.NATSKIT_KIND_OP)
                equal(records[i].object, ops[tag].id)
                local out = ffi.new("natskit_msg *[1]")
                ok(nk.natskit_op_take_msg(ops[tag], out))
                equal(data_of(ffi.gc(out[0], nk.natskit_msg_release)), "REQUEST " .. tag)
                ok(nk.natskit_op_close(ops[tag]))
                waiting = waiting - 1
            end
        end
    end
    ok(nk.natskit_waitset_close(set))
    expect(nk.natskit_waitset_fd(set, fd), nk.NATSKIT_CLOSED)
    ok(nk.natskit_conn_close(conn, 10000))
    ok(nk.natskit_sub_close(service))
end

function tests.failures(url)
    local conn, err = connect(url), ffi.new("natskit_error")
    local out = ffi.new("natskit_msg *[1]")
    expect(nk.natskit_request(conn, "nobody", ZLEN, NO_HEADERS, nil, 0, 10000, out, err), nk.NATSKIT_NO_RESPONDERS)
    assert(out[0] == nil)
    local options = ffi.new("natskit_options")
    ok(nk.natskit_options_open(nk.NATSKIT_OPTIONS_CONNECT, options))
    expect(nk.natskit_options_set(options, "nam", ZLEN, "x", ZLEN, err), nk.NATSKIT_UNKNOWN_OPTION)
    assert(ffi.string(err.text):find("name", 1, true))
    ok(nk.natskit_options_close(options))
    ok(nk.natskit_conn_close(conn, 0))
end

-- Handles that are closed, of another kind, or made up; as numbers they survive a double.
function tests.stale_handles(url)
    local conn = connect(url)
    local sub = subscribe(conn, "s")
    equal(ffi.cast("uint64_t", tonumber(sub.id)), sub.id)
    ok(nk.natskit_sub_close(sub))
    expect(nk.natskit_sub_close(sub), nk.NATSKIT_CLOSED)
    local _, status = next_msg(sub, -1)
    expect(status, nk.NATSKIT_CLOSED)
    _, status = next_msg(ffi.new("natskit_sub", { conn.id }), -1)
    expect(status, nk.NATSKIT_BAD_HANDLE)
    for i = 0, 63 do
        local forged = ffi.new("natskit_conn", { conn.id + bit.lshift(1ULL, i) })
        local result = publish(forged, "s", "")
        assert(result == nk.NATSKIT_BAD_HANDLE or result == nk.NATSKIT_CLOSED)
    end
    ok(publish(conn, "s", ""))
    ok(nk.natskit_conn_close(conn, 10000))
    expect(publish(conn, "s", ""), nk.NATSKIT_CLOSED)
end

-- A garbage collector closes in any order, and some things twice.
function tests.finalizers_in_any_order(url)
    local conn = connect(url)
    for _ = 1, 50 do
        local own = ffi.gc(connect(url), function(handle)
            nk.natskit_conn_close(handle, 0)
        end)
        for _ = 1, 5 do
            local sub = ffi.gc(subscribe(own, "g"), nk.natskit_sub_close)
            ok(publish(own, "g", "x"))
            assert(next_msg(sub, 10000))
            if math.random(2) == 1 then
                ok(nk.natskit_sub_close(sub))
            end
        end
        if math.random(10) == 1 then
            collectgarbage()
        end
    end
    collectgarbage()
    collectgarbage()
    ok(nk.natskit_conn_close(conn, 0))
end

-- -- running them -----------------------------------------------------------------------------------------------------

package.path = support .. "/?.lua;" .. package.path
local testing = require("testing")
local started, server = pcall(testing.server, { jetstream = false })
if not started then
    print("no server: " .. tostring(server))
    os.exit(77)
end

local names = {}
for name in pairs(tests) do
    names[#names + 1] = name
end
table.sort(names)

local failed = 0
for _, name in ipairs(names) do
    local good, reason = xpcall(tests[name], debug.traceback, server:url())
    print((good and "ok     " or "FAILED ") .. name)
    if not good then
        print(reason)
        failed = failed + 1
    end
end

collectgarbage()
collectgarbage()
local counters = ffi.new("natskit_counters")
if nk.natskit_shutdown(10000) ~= 0 or nk.natskit_counters_get(counters, ffi.sizeof(counters)) ~= 0 then
    failed = failed + 1
end
for _, field in ipairs({ "options", "headers", "conns", "subs", "ops", "waitsets", "jsons", "msgs", "threads" }) do
    if counters[field] ~= 0 then
        print(("FAILED %s: %s are left"):format(field, tostring(counters[field])))
        failed = failed + 1
    end
end
server:close()
os.exit(failed == 0 and 0 or 1)
