-- SPDX-License-Identifier: Apache-2.0
--
-- For tests of programs that use NATS: real servers and clusters that the test stops, kills and restarts, a proxy that
-- makes faults and checks what the client writes, servers that follow a script, and certificates. docs/testing.md.
--
--   local testing = require "natskit.testing"
--   local server <close> = testing.server()
--   local tap <close> = testing.tap(server)
--   program_under_test(tap.url)
--   server:restart()
--   tap:wait_stat("connections", 2)
--
-- Plain Lua without sockets, and no client is involved: the programs nk-serve, nk-tap, nk-scripted and nk-wallet, which
-- are installed beside the module, are started through io.popen and commanded by nk-ctl. They end with the Lua process,
-- because they watch the pipe that their standard output is. Calls block; what fails raises an error with the reason.
--
-- Environment: NATS_SERVER names the server's program, else it is `nats-server` of PATH; NK_TAP names nk-tap (the
-- others are looked for beside it), for programs that are not the installed ones. natskit's own tests use this file,
-- too, with the programs of the build folder and a server that tools/nats-server finds.

local testing = {}

local function quote(text)
    return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

local function integer(text)
    local number = tonumber(text)
    return math.tointeger and math.tointeger(number) or number
end

local function exists(path)
    local file = io.open(path, "rb")
    if file then
        file:close()
    end
    return file ~= nil
end

--- The path of nk-tap, nk-serve, nk-scripted, nk-wallet or nk-ctl.
function testing.program(name)
    local folders = {}
    local tap = os.getenv("NK_TAP")
    if tap then
        folders[1] = tap:match("^(.*)/[^/]*$") or "."
    end
    local module = package.searchpath and package.searchpath("natskit", package.cpath)
    if module then -- installed; in a build folder
        folders[#folders + 1] = module:gsub("%.so$", "")
        folders[#folders + 1] = (module:match("^(.*)/[^/]*$") or ".") .. "/../tests/support"
    end
    for _, folder in ipairs(folders) do
        if exists(folder .. "/" .. name) then
            return folder .. "/" .. name
        end
    end
    error(name .. " was not found: set NK_TAP to the path of nk-tap", 2)
end

--- Calls condition() until it gives something true, which is returned; an error after `timeout` seconds (10).
function testing.wait_for(condition, timeout, what)
    local deadline = os.time() + math.ceil(timeout or 10)
    while true do
        local value = condition()
        if value then
            return value
        end
        if os.time() > deadline then
            error(("%s did not come true within %g s"):format(what or "the condition", timeout or 10), 2)
        end
        os.execute("sleep 0.01")
    end
end

local function text_file(text)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
    return path
end

local Helper = {}
Helper.__index = Helper

-- Starts a program that prints "NAME VALUE NAME VALUE ..." as its first line.
local function start(name, arguments)
    local words = { quote(testing.program(name)) }
    for _, argument in ipairs(arguments) do
        words[#words + 1] = quote(argument)
    end
    -- exec: the shell must not stay between us and the helper
    local pipe = assert(io.popen("exec " .. table.concat(words, " "), "r"))
    local line = pipe:read("*l")
    if not line then
        pipe:close()
        error(name .. " did not start; its standard error tells why", 3)
    end
    local self = setmetatable({ pipe = pipe, name = name }, Helper)
    for key, value in line:gmatch("(%S+) (%S+)") do
        self[key] = value
    end
    return self
end

--- Sends one command; true or false, and the rest of the answer.
function Helper:try(command)
    local words = { quote(testing.program("nk-ctl")), self.control, quote(command) }
    local pipe = assert(io.popen(table.concat(words, " "), "r"))
    local answer = pipe:read("*l")
    pipe:close()
    if not answer then
        error(self.name .. ": no answer to " .. command, 2)
    end
    local verdict, rest = answer:match("^(%S+) ?(.*)$")
    return verdict == "ok", rest
end

--- Sends one command and returns what follows "ok".
function Helper:command(command)
    local good, rest = self:try(command)
    if not good then
        error(("%s: %s: %s"):format(self.name, command, rest), 2)
    end
    return rest
end

-- Ends the program; true and its exit code.
function Helper:finish()
    if not self.pipe then
        return true, 0
    end
    pcall(self.try, self, "quit")
    local _, how, code = self.pipe:close()
    self.pipe = nil
    if not how then -- Lua 5.1 tells no exit code
        code = 0
    end
    return code == 0, code
end

-- A class whose objects hold a helper; `close` is also called by <close> variables.
local function class()
    local methods = {}
    methods.__index = methods
    methods.__close = function(self, failure)
        self:close(failure ~= nil)
    end
    return methods
end

local Server = class()

local function server_of(helper, prefix, owns)
    return setmetatable({ helper = helper, prefix = prefix, owns = owns }, Server)
end

--- A real nats-server. Options: config, extra (texts), name, port, jetstream (false turns it off).
function testing.server(options)
    options = options or {}
    local arguments, file = {}, nil
    if options.config then
        file = text_file(options.config)
        arguments = { "--config", file }
    end
    for _, name in ipairs({ "extra", "name", "port" }) do
        if options[name] then
            arguments[#arguments + 1] = "--" .. name
            arguments[#arguments + 1] = options[name]
        end
    end
    if options.jetstream == false then
        arguments[#arguments + 1] = "--no-jetstream"
    end
    local good, helper = pcall(start, "nk-serve", arguments)
    if file then
        os.remove(file)
    end
    if not good then
        error(helper, 2)
    end
    return server_of(helper, "", true)
end

--- One command of nk-serve for this server; what follows "ok".
function Server:command(command)
    return self.helper:command(self.prefix .. command)
end

--- Where clients connect.
function Server:url()
    return self:command("url")
end

--- The port of that URL; with NATSKIT_TEST_SCHEME that for nats://.
function Server:port()
    return integer(self:command("port"))
end

--- 0 when it does not run.
function Server:pid()
    return integer(self:command("pid"))
end

--- What @PORTn@ of the configuration became.
function Server:extra_port(number)
    return integer(self:command("extra-port " .. number))
end

for _, name in ipairs({ "stop", "kill", "restart", "pause", "resume" }) do
    Server[name] = function(self)
        self:command(name)
    end
end

--- Tells it to send its clients away, and to end.
function Server:lame_duck()
    self:command("signal 12")
end

--- Gives it another configuration while it runs.
function Server:reload(config)
    local file = text_file(config)
    local good, why = pcall(self.command, self, "reload " .. file)
    os.remove(file)
    if not good then
        error(why, 2)
    end
end

--- The JSON text of the monitoring port.
function Server:monitor(path)
    return self:command("monitor " .. path)
end

--- Whether its log has the text by now.
function Server:log_contains(text)
    return (self.helper:try(self.prefix .. "log " .. text))
end

--- Waits until its log has the text; an error after `timeout` seconds (10).
function Server:wait_log(text, timeout)
    self:command(("wait-log %d %s"):format(math.floor((timeout or 10) * 1000), text))
end

--- Stops it for good and removes its folder.
function Server:close()
    if self.owns then
        self.helper:finish()
    end
end

local Cluster = class()

--- n servers that form one JetStream cluster: cluster[1] to cluster[n]. Options: extra, jetstream (false turns
--- it off).
function testing.cluster(size, options)
    local arguments = { "--cluster", size or 3 }
    if options and options.extra then
        arguments[#arguments + 1] = "--extra"
        arguments[#arguments + 1] = options.extra
    end
    if options and options.jetstream == false then
        arguments[#arguments + 1] = "--no-jetstream"
    end
    local helper = start("nk-serve", arguments)
    local cluster = setmetatable({ helper = helper }, Cluster)
    for i = 1, size or 3 do
        cluster[i] = server_of(helper, ("node %d "):format(i - 1), false)
    end
    return cluster
end

--- All routes are there and all nodes agree on a meta leader; an error after `timeout` seconds (60).
function Cluster:wait_ready(timeout)
    self.helper:command(("wait-ready %d"):format(math.floor((timeout or 60) * 1000)))
end

--- Where clients connect, of each node.
function Cluster:urls()
    local urls = {}
    for i, node in ipairs(self) do
        urls[i] = node:url()
    end
    return urls
end

function Cluster:close()
    self.helper:finish()
end

local Tap = class()

--- The fault proxy with the wire oracle in front of a server or URL; more arguments go to nk-tap.
function testing.tap(server, ...)
    local url = type(server) == "string" and server or server:url()
    local scheme, rest = url:match("^(%w+)://(.*)$")
    local address = (rest or url):match("([^@]*)$"):match("^[^/]*")
    local helper = start("nk-tap", { "--to", address, "--tied", ... })
    local port = integer(helper.listen)
    return setmetatable({ helper = helper, port = port,
        url = ("%s://127.0.0.1:%d"):format(scheme or "nats", port) }, Tap)
end

--- For instance tap:command("down split 1"); returns what follows "ok".
function Tap:command(command)
    return self.helper:command(command)
end

function Tap:stats()
    local stats = {}
    for name, value in self:command("stats"):gmatch("(%S+) (%d+)") do
        stats[name] = integer(value)
    end
    return stats
end

--- Waits until a number of `stats` has reached a value, and returns it; an error after `timeout` seconds (10).
function Tap:wait_stat(name, at_least, timeout)
    return testing.wait_for(function()
        local now = self:stats()[name]
        return now and now >= at_least and now
    end, timeout, ("tap: %s >= %d"):format(name, at_least))
end

--- nil or the first violation of the protocol.
function Tap:violation()
    local good, rest = self.helper:try("check")
    return not good and rest or nil
end

function Tap:check()
    local found = self:violation()
    if found then
        error("the client broke the protocol: " .. found, 2)
    end
end

--- Ends it; raises an error when the client broke the protocol (not with `quiet`).
function Tap:close(quiet)
    if not self.helper.pipe then
        return
    end
    local found = self:violation()
    local good, code = self.helper:finish()
    if not quiet and (found or not good) then
        error("the client broke the protocol: " .. (found or ("exit code " .. tostring(code))), 2)
    end
end

local Wallet = class()
local wallet

--- The folder of certificates, keys, JWTs and credentials of this process (tests/README.md).
function testing.wallet()
    if not wallet then
        local helper = start("nk-wallet", {})
        wallet = setmetatable({ helper = helper, dir = helper.wallet, secrets = {} }, Wallet)
        local pipe = assert(io.popen(quote(testing.program("nk-wallet")) .. " --secrets", "r"))
        for line in pipe:lines() do
            wallet.secrets[#wallet.secrets + 1] = line
        end
        pipe:close()
    end
    return wallet
end

--- "user NAME SECONDS", "copy FROM NAME", "remove NAME"
function Wallet:command(command)
    self.helper:command(command)
end

--- The text of a file of it.
function Wallet:text(name)
    local file = assert(io.open(self.dir .. "/" .. name))
    local text = file:read("*a")
    file:close()
    return (text:gsub("%s+$", ""))
end

--- Replaces ${wallet} and ${text NAME}.
function Wallet:expand(text)
    text = text:gsub("%${text ([^}]+)}", function(name)
        return self:text(name)
    end)
    return (text:gsub("%${wallet}", (self.dir:gsub("%%", "%%%%"))))
end

--- nil, or the beginning of a secret that the text holds.
function Wallet:secret_in(text)
    for _, secret in ipairs(self.secrets) do
        if text:find(secret, 1, true) then
            return secret:sub(1, 8)
        end
    end
end

function Wallet:close()
    self.helper:finish()
    wallet = nil
end

local Scripted = class()

--- A scripted server; see tests/README.md for the script.
function testing.scripted(script)
    local file = text_file(script)
    local good, helper = pcall(start, "nk-scripted", { "--script", file, "--wallet", testing.wallet().dir })
    os.remove(file)
    if not good then
        error(helper, 2)
    end
    local port = integer(helper.listen)
    return setmetatable({ helper = helper, port = port, url = "nats://127.0.0.1:" .. port }, Scripted)
end

--- Ends the next or current `stall until ctl`.
function Scripted:proceed()
    self.helper:command("proceed")
end

--- A captured value: "subject", "reply", "payload", "sid", "NAME.sid" ...
function Scripted:get(name)
    return self.helper:command("get " .. name)
end

--- Waits for the end of the script, at most `timeout` seconds (10); raises an error with the directive that failed.
function Scripted:wait(timeout)
    self.helper:command(("wait %d"):format(math.floor((timeout or 10) * 1000)))
end

--- Where the script is: "running LINE" or "done"; raises an error with the directive that failed.
function Scripted:status()
    return self.helper:command("status")
end

--- Waits for the end of the script (not with `quiet`) and ends the program.
function Scripted:close(quiet)
    if not self.helper.pipe then
        return
    end
    local good, why = true, nil
    if not quiet then
        good, why = pcall(self.wait, self)
    end
    self.helper:finish()
    if not good then
        error(why, 2)
    end
end

return testing
