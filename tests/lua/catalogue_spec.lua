-- The catalogue of bad inputs and faults (tests/catalogue): a scripted server plays each case, and what the client
-- makes of it is compared with what the case expects. Nothing may raise, and each code has to be a documented one.
local helper = require "helper"
local nats = require "natskit"
local cases = require "cases"

local slack = 3 -- seconds that a busy machine adds to a deadline
local limit = 15 -- for what should come at once
local fill = ("\0"):rep(32768)

local Player = {}
Player.__index = Player
local steps = {} -- what each does

-- Calls what returns nil, message, code on failure; "OK" or the code in capitals, and the results.
local function status(fn, ...)
    local results = table.pack(fn(...))
    if results[1] ~= nil then
        return "OK", results[1]
    end
    local message, code = results[2], results[3]
    if type(message) ~= "string" or message == "" or not nats.status(code) then
        error(("not a failure with text and code: %s, %s"):format(message, code), 0)
    end
    return code:upper(), nil, message
end

local function want(got, wanted, what)
    if got ~= wanted then
        error(("%q came instead of %q: %s"):format(tostring(got), tostring(wanted), what or ""), 0)
    end
end

-- One of several, cut at |.
local function want_one(got, wanted, what)
    if not ("|" .. wanted .. "|"):find("|" .. got .. "|", 1, true) then
        want(got, wanted, what)
    end
end

local function want_text(text, wanted)
    if wanted:sub(1, 1) == "~" and not text:find(wanted:sub(2), 1, true) then
        error("the text is " .. text, 0)
    end
end

local function in_time(seconds, ...)
    local took, name, result, message = helper.timed(status, ...)
    if took > seconds + slack then
        error(("took %.1f s"):format(took), 0)
    end
    return name, result, message
end

function Player:look()
    self.peak = math.max(self.peak, nats.counters().allocated_bytes)
end

function Player:connect()
    return in_time(self.deadline, nats.connect, self.url, self.options, self.deadline)
end

local alone = { set = true, deadline = true, memory = true, url = true, fails = true }

function Player:play(step)
    local word, rest = step:match("^(%S+) ?(.*)$")
    if not alone[word] and not self.nc then
        local name, nc, message = self:connect()
        want(name, "OK", message)
        self.nc = nc
        self.events = assert(nc:events())
        steps.subscribe(self, "x")
    end
    steps[word:gsub("-", "_")](self, rest)
    self:look()
end

function Player:close()
    if self.nc then
        self.nc:close(0)
        self.events:close()
    end
    for _, sub in pairs(self.subs) do
        sub:close()
    end
end

-- settings

function steps.set(self, rest)
    local name, value = rest:match("^(%S+) (%S+)$")
    self.options[name] = math.tointeger(value) or value == "true"
end

function steps.deadline(self, rest)
    self.deadline = tonumber(rest) / 1000
end

function steps.memory(self, rest)
    self.bound = tonumber(rest) * 1024
end

function steps.url(self, rest)
    self.url = rest:gsub("@", tostring(self.server.port))
end

-- the connection

function steps.fails(self, rest)
    local names, text = rest:match("^(%S+) ?(.*)$")
    local name, _, message = self:connect()
    want_one(name, names, message)
    want_text(message, text)
end

function steps.event(self, rest)
    local kind, code, text = rest:match("^(%S+) ?(%S*) ?(.*)$")
    repeat
        local name, event, message = status(self.events.next, self.events, limit)
        want(name, "OK", message)
        self.told = event
    until event.type == kind
    if code ~= "" then
        want_one(self.told.code and self.told.code:upper() or "", code, self.told.text)
    end
    want_text(self.told.text or "", text)
end

function steps.count(self, rest)
    want(self.told.count, math.tointeger(rest))
end

function steps.about(self, rest)
    want(self.told.subject, cases.unescape(rest))
end

function steps.closed(self, rest)
    steps.event(self, "closed " .. rest)
    want(status(self.events.next, self.events, limit), "END")
    want(status(self.subs.x.next, self.subs.x, limit), "END")
end

function steps.reconnects(self, rest)
    want(self.nc:stats().reconnects, math.tointeger(rest))
end

function steps.orphans(self, rest)
    want(self.nc:stats().orphan_msgs, math.tointeger(rest))
end

function steps.max_payload(self, rest)
    want(self.nc:info().max_payload, math.tointeger(rest))
end

-- messages

function steps.subscribe(self, rest)
    local subject, max = rest:match("^(%S+) ?(%d*)$")
    self.sub = assert(self.nc:subscribe(subject, { max_msgs = math.tointeger(max) }))
    self.subs[subject] = self.sub
end

function steps.unsubscribe(self)
    want(status(self.sub.unsubscribe, self.sub), "OK")
end

function steps.on(self, rest)
    self.sub = self.subs[rest]
end

function Player:take()
    local name, msg, message = status(self.sub.next, self.sub, limit)
    want(name, "OK", message)
    self.msg = msg
    return msg
end

function steps.message(self, rest)
    want(self:take().data, cases.unescape(rest))
end

function steps.probe(self)
    steps.message(self, "probe")
end

function steps.bytes(self, rest)
    want(#self:take().data, math.tointeger(rest))
end

function steps.ends(self, rest)
    want(status(self.sub.next, self.sub, limit), "END")
    want(self.sub:stats().reason:upper(), rest)
end

function steps.subject(self, rest)
    want(self.msg.subject, cases.unescape(rest))
end

function steps.reply(self, rest)
    want(self.msg.reply or "", cases.unescape(rest))
end

function steps.code(self, rest)
    local code, description = rest:match("^(%d+) ?(.*)$")
    want(self.msg.status or 0, math.tointeger(code))
    want(self.msg.description or "", cases.unescape(description))
end

function steps.headers(self, rest)
    want(#(self.msg.header_list or {}), math.tointeger(rest))
end

function steps.header(self, rest)
    local index, name, value = rest:match("^(%d+) (%S+) ?(.*)$")
    local got = self.msg.header_list[math.tointeger(index)]
    want(got[1], cases.unescape(name))
    want(got[2], cases.unescape(value))
end

-- what the client does

function steps.publish(self, rest)
    local wanted, headers = rest:match("^(%S+) ?(.*)$")
    local options = { timeout = limit, headers = headers ~= "" and { A = "b" } or nil }
    want_one((status(self.nc.publish, self.nc, "y", "data", options)), wanted)
end

function steps.flush(self, rest)
    local wanted, ms = rest:match("^(%S+) (%d+)$")
    want_one((in_time(ms / 1000, self.nc.flush, self.nc, ms / 1000)), wanted)
end

function steps.request(self, rest)
    local wanted, ms = rest:match("^(%S+) (%d+)$")
    want_one((in_time(ms / 1000, self.nc.request, self.nc, "service", "data", { timeout = ms / 1000 })), wanted)
end

function steps.fill(self, rest)
    local wanted, ms = rest:match("^(%S+) (%d+)$")
    local deadline, name = helper.now() + limit, "OK"
    while name == "OK" and helper.now() < deadline do
        name = in_time(ms / 1000, self.nc.publish, self.nc, "y", fill, { timeout = ms / 1000 })
        self:look()
    end
    want(name, wanted)
end

function steps.proceed(self)
    self.server:proceed()
end

local function play(case)
    local server = helper.testing.scripted(case.script)
    local start = nats.counters().allocated_bytes
    local player = setmetatable({ server = server, url = server.url, options = {}, subs = {}, peak = start,
        deadline = limit, bound = 1024 * 1024 }, Player)
    local at = ""
    local good, why = pcall(function()
        for _, step in ipairs(case.steps) do
            at = step
            player:play(step)
        end
        at = "at the end"
        if player.peak - start > player.bound then
            error(("%d KiB of memory"):format((player.peak - start) // 1024), 0)
        end
    end)
    player:close()
    local ended, trouble = pcall(server.close, server)
    if not good or not ended then
        error(("case %s (%s), step %s: %s %s"):format(case.title, case.where, at, good and "" or why,
            ended and "" or trouble), 0)
    end
end

describe("catalogue", function()
    after_each(helper.nothing_left)

    for _, case in ipairs(cases.read(helper.root .. "/tests/catalogue")) do
        it(case.title, function()
            play(case)
        end)
    end
end)
