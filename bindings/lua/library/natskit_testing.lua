---@meta natskit.testing
--- For tests of programs that use NATS (docs/testing.md). Calls block; what fails raises an error with the reason. Objects end with
--- the process, by `close`, or by `<close>`.

---@class natskit.testing
local testing = {}

--- The path of a program: nk-tap, nk-serve, nk-scripted, nk-wallet or nk-ctl.
---@param name string
---@return string path
function testing.program(name) end

--- Calls the condition until it gives something true.
---@generic T
---@param condition fun(): T
---@param timeout? number seconds, by default 10; an error after them
---@param what? string name of the condition, for that error
---@return T value what it gave
function testing.wait_for(condition, timeout, what) end

---@class natskit.testing.ServerOptions
---@field config? string the whole configuration; in it and in extra @DIR@ and @PORT1@ to @PORT9@ are replaced
---@field extra? string lines after the default configuration
---@field name? string of the server
---@field port? integer by default a free one
---@field jetstream? boolean false turns it off

--- A real nats-server with a folder and ports of its own.
---@param options? natskit.testing.ServerOptions
---@return natskit.testing.Server
function testing.server(options) end

--- Servers that form a cluster: cluster[1] to cluster[size].
---@param size? integer by default 3
---@param options? natskit.testing.ServerOptions extra and jetstream alone
---@return natskit.testing.Cluster
function testing.cluster(size, options) end

--- The fault proxy in front of a server: connect to its `url`.
---@param server natskit.testing.Server|string a server, or its URL
---@param ... string options of nk-tap
---@return natskit.testing.Tap
function testing.tap(server, ...) end

--- A server that does what a script says.
---@param script string
---@return natskit.testing.Scripted
function testing.scripted(script) end

--- The folder of certificates, keys, JWTs and credentials of this process.
---@return natskit.testing.Wallet
function testing.wallet() end

--- A real nats-server.
---@class natskit.testing.Server
local server = {}

--- One command of nk-serve.
---@param command string
---@return string answer what follows "ok"
function server:command(command) end

--- Where clients connect.
---@return string url
function server:url() end

--- The port of that URL; with NATSKIT_TEST_SCHEME that for nats://.
---@return integer port
function server:port() end

--- Of its process; 0 when it does not run.
---@return integer pid
function server:pid() end

--- What @PORTn@ of the configuration became.
---@param number integer
---@return integer port
function server:extra_port(number) end

--- Ends it by SIGTERM; restart() starts it again.
function server:stop() end

--- Ends it by SIGKILL.
function server:kill() end

--- Starts it on the same port and store.
function server:restart() end

--- Stops it by SIGSTOP; connections stay open.
function server:pause() end

--- Lets a stopped server go on.
function server:resume() end

--- Tells it to send its clients away, and to end.
function server:lame_duck() end

--- Gives it another configuration while it runs.
---@param config string
function server:reload(config) end

--- The JSON text of its monitoring.
---@param path string for instance "/connz"
---@return string json
function server:monitor(path) end

--- Whether its log has the text by now.
---@param text string
---@return boolean
function server:log_contains(text) end

--- Waits until its log has the text.
---@param text string
---@param timeout? number seconds, by default 10; an error after them
function server:wait_log(text, timeout) end

--- Stops it for good and removes its folder.
function server:close() end

--- A cluster.
---@class natskit.testing.Cluster
---@field [integer] natskit.testing.Server
local cluster = {}

--- Where clients connect, of each node.
---@return string[] urls
function cluster:urls() end

--- Waits until all routes are there and all nodes agree on a meta leader.
---@param timeout? number seconds, by default 60; an error after them
function cluster:wait_ready(timeout) end

--- Stops all nodes and removes their folders.
function cluster:close() end

--- The fault proxy. It checks every byte that the client writes against the protocol.
---@class natskit.testing.Tap
---@field url string where the program under test connects
---@field port integer of that URL
local tap = {}

--- Makes a fault, for instance "down split 1".
---@param command string
---@return string answer what follows "ok"
function tap:command(command) end

--- What went through, by name.
---@return table<string, integer>
function tap:stats() end

--- Waits until one of these numbers has reached a value.
---@param name string
---@param at_least integer
---@param timeout? number seconds, by default 10; an error after them
---@return integer now
function tap:wait_stat(name, at_least, timeout) end

--- The first byte of the client that was outside the protocol.
---@return string? what nil if there was none
function tap:violation() end

--- Raises an error if there was one.
function tap:check() end

--- Ends it; raises an error if the client broke the protocol.
---@param quiet? boolean no error
function tap:close(quiet) end

--- A server that follows a script.
---@class natskit.testing.Scripted
---@field url string where the program under test connects
---@field port integer of that URL
local scripted = {}

--- Ends the next or current `stall until ctl`.
function scripted:proceed() end

--- A captured value: "subject", "reply", "payload", "sid", "NAME.sid" ...
---@param name string
---@return string value
function scripted:get(name) end

--- Where the script is; raises an error with the directive that failed.
---@return string where "running LINE" or "done"
function scripted:status() end

--- Waits for the end of the script; raises an error with the directive that failed.
---@param timeout? number seconds, by default 10; an error after them
function scripted:wait(timeout) end

--- Waits for the end of the script and ends the program.
---@param quiet? boolean neither waits nor raises
function scripted:close(quiet) end

--- A folder of certificates, keys, JWTs and credentials, good and bad ones.
---@class natskit.testing.Wallet
---@field dir string
---@field secrets string[] passwords, tokens and seeds in it
local wallet = {}

--- Makes or removes files: "user NAME SECONDS", "copy FROM NAME", "remove NAME".
---@param command string
function wallet:command(command) end

--- The text of a file of it.
---@param name string
---@return string text
function wallet:text(name) end

--- Replaces ${wallet} and ${text NAME}.
---@param text string
---@return string text
function wallet:expand(text) end

--- The beginning of a secret that the text holds.
---@param text string
---@return string? secret nil if there is none
function wallet:secret_in(text) end

--- Removes the folder.
function wallet:close() end

return testing
