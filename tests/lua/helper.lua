-- What the Lua specs share: the module, servers and taps of tests/support, a clock, child processes, and the
-- check that nothing is left behind.

local here = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$") or "tests/lua"
package.path = here .. "/../support/lua/?.lua;" .. package.path

local uv = require "luv"
local nats = require "natskit"
local testing = require "testing"

local helper = {
    testing = testing,
    root = here .. "/../..",
    scheme = os.getenv("NATSKIT_TEST_SCHEME") or "nats", -- how servers are spoken to: also "ws" and "wss"
}

-- ./check names the programs; by hand those of the build are taken that NATSKIT_BUILD names.
if not os.getenv("NK_TAP") then
    local build = os.getenv("NATSKIT_BUILD") or (helper.root .. "/build")
    function testing.program(name)
        return build .. "/tests/support/" .. name
    end
end

--- Monotonic seconds.
function helper.now()
    return uv.hrtime() / 1e9
end

function helper.sleep(seconds)
    uv.sleep(math.ceil(seconds * 1000))
end

--- Calls `fn(...)`; returns the seconds that it took, then its results.
function helper.timed(fn, ...)
    local start = helper.now()
    local results = table.pack(fn(...))
    return helper.now() - start, table.unpack(results, 1, results.n)
end

--- Waits until `fn()` gives something true, and returns that.
function helper.eventually(fn, seconds)
    local deadline = helper.now() + (seconds or 20)
    while true do
        local result = fn()
        if result then
            return result
        end
        if helper.now() > deadline then
            error("waited in vain", 2)
        end
        helper.sleep(0.005)
    end
end

--- Whether the host is older: 5.4 has <close>, 5.3 integers and C functions that suspend.
function helper.before(version)
    return tonumber(_VERSION:match("%d%.%d")) < version
end

--- One server for a whole spec file; `helper.stop` ends it.
function helper.start(options)
    helper.stop()
    helper.server = testing.server(options)
    helper.url = helper.server:url()
    return helper.server
end

function helper.stop()
    if helper.server then
        helper.server:close()
        helper.server = nil
    end
end

function helper.connect(options, url)
    return assert(nats.connect(url or helper.url, options))
end

--- A connection whose every byte is read by the wire oracle. `close` raises if it found something.
function helper.tapped(options, ...)
    local tap = testing.tap(helper.server, ...)
    return helper.connect(options, tap.url), tap
end

local kinds = { "conns", "subs", "ops", "msgs", "waitsets", "options", "jsons", "contexts", "publishers", "kvs",
    "batches", "ingests", "services", "object_stores", "object_writers", "object_readers" }

--- Collects garbage and fails if anything of the library lives on.
function helper.nothing_left()
    if rawget(_G, "jit") then -- LuaJIT keeps what dead variables held for as long as it pleases
        return
    end
    collectgarbage()
    collectgarbage()
    local left = {}
    local function count()
        local counters = nats.counters()
        left = {}
        for _, kind in ipairs(kinds) do
            if counters[kind] ~= 0 then
                left[#left + 1] = kind .. " " .. counters[kind]
            end
        end
        return #left == 0
    end
    local clean = pcall(helper.eventually, count) -- closing goes on in the library's thread
    if not clean then
        error("left behind: " .. table.concat(left, ", "), 2)
    end
end

--- Expects `nil, message, code` of a call.
function helper.fails(code, ...)
    local result, message, got = ...
    if result ~= nil or got ~= code or type(message) ~= "string" or message == "" then
        error(("expected a failure with code %s, got %s, %s, %s"):format(code, tostring(result),
            tostring(message), tostring(got)), 2)
    end
end

--- Expects an error that holds the text; returns its message.
function helper.raises(text, fn, ...)
    local good, message = pcall(fn, ...)
    if good or not tostring(message):find(text, 1, true) then
        error(("expected an error with '%s', got %s"):format(text, good and "none" or tostring(message)), 2)
    end
    return message
end

-- Begins every program of a child: the same module, and the server's url.
local preamble = [[
package.path, package.cpath = %q, %q
local url = %q
local nats = require "natskit"
local soon
local function interrupt_soon() -- Ctrl-C in 0.7 s: by the clock of the program, which may be slow to start
    soon = io.popen("sleep 0.7; kill -INT $PPID") -- the shell's parent is this process
    return soon
end
]]

--- Runs Lua code in a process of its own; returns its output, and its exit code. `limit` is the command that ends
-- it: by default after 60 seconds.
function helper.child(code, limit)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(preamble:format(package.path, package.cpath, helper.url or ""), code)
    file:close()
    local pipe = assert(io.popen(("%s lua5.4 %s 2>&1"):format(limit or "timeout -k 1 60", path), "r"))
    local output = pipe:read("a")
    local _, why, exit = pipe:close()
    os.remove(path)
    return output, why == "signal" and 128 + exit or exit
end

--- Starts Lua code in a process of its own, waits until it prints "ready", and returns its pipe.
function helper.service(code)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(preamble:format(package.path, package.cpath, helper.url or ""), code)
    file:close()
    local pipe = assert(io.popen("exec timeout -k 1 60 lua5.4 " .. path, "r"))
    local line = pipe:read("l")
    os.remove(path)
    if line ~= "ready" then
        error("the service did not start: " .. tostring(line), 2)
    end
    return pipe
end

--- Calls case(nc, js, tap) with a connection through a tap, and no stream on the server.
function helper.with_jetstream(case)
    local nc, tap = helper.tapped()
    local js = assert(nc:jetstream { timeout = 20 })
    for _, name in ipairs(assert(js:stream_names())) do
        assert(js:delete_stream(name))
        -- nats-server 2.15.1 may answer before the files are gone; a stream that is made anew takes over what is left.
        local files = helper.server:command "dir" .. "/store/jetstream/$G/streams/" .. name
        testing.wait_for(function()
            return not os.rename(files, files)
        end, 20, "the end of the stream's files")
    end
    case(nc, js, tap)
    js:close()
    nc:close()
    tap:close()
end

--- Two tests of each case(nc, js, tap): blocking, and in a task of an event loop.
function helper.both_ways(it, cases)
    for name, case in pairs(cases) do
        it(name .. ", blocking", function()
            helper.with_jetstream(case)
        end)
        it(name .. ", in a task", function()
            require("natskit.loop.luv").run(helper.with_jetstream, case)
            require("natskit").set_scheduler(nil)
        end)
    end
end

return helper
