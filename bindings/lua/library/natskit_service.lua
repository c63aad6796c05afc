---@meta _
--- Annotations (LuaCATS) of services and their discovery in the Lua module `natskit`. Never loaded at run time.

--- Options of nc:service.
---@class natskit.ServiceOptions
---@field name string letters, digits, - and _
---@field version string as semver.org has them: "1.2.3"
---@field description? string
---@field metadata? table<string, string>
---@field queue_group? string|false of endpoints that say nothing else; false: none, so that each instance gets all requests ("q")
---@field on_error? fun(error: any, sub: natskit.sub) gets what handlers raise, but for {code =, description =}
---@field prefix? string of the subjects for discovery ("$SRV")
---@field pending_msgs_limit? integer requests that may wait (524288)
---@field pending_bytes_limit? integer memory that they may take (134217728)

---@class natskit.ServiceGroup
---@field prefix? string in front of the subjects of its endpoints and groups; may hold * but not >
---@field queue_group? string|false (that of the parent)
---@field parent? integer number of the group that it is in (the service)

---@class natskit.ServiceEndpoint
---@field name string letters, digits, - and _
---@field subject? string behind the prefixes of its groups; may hold wildcards (the name)
---@field queue_group? string|false (that of the group)
---@field metadata? table<string, string>
---@field group? integer number of its group (the service)
---@field handler? fun(request: natskit.msg) is called inside nats.dispatch or nats.pump

--- A service: `nc:service{...}`. It ends with its subscription `requests`, and with the connection.
---@class natskit.service
---@field requests natskit.sub of its requests: without handlers a loop over service.requests:messages() takes them
local service = {}

--- Adds a group. A string is its prefix.
---@param group string|natskit.ServiceGroup
---@return integer? number for the options group and parent
---@return string? message
---@return natskit.code? code
function service:group(group) end

--- Adds an endpoint, by name and handler or by a table. Either all endpoints have handlers, or none.
---@param endpoint string|natskit.ServiceEndpoint
---@param handler? fun(request: natskit.msg) with a name
---@return integer? number counted from 1
---@return string? message
---@return natskit.code? code "closed" if it was stopped
function service:endpoint(endpoint, handler) end

--- What it answers to PING: type, name, id, version, metadata.
---@return table? ping
---@return string? message
---@return natskit.code? code
function service:ping() end

--- What it answers to INFO: also description and endpoints.
---@return table? info
---@return string? message
---@return natskit.code? code
function service:info() end

--- What it answers to STATS: started, and of its endpoints num_requests, num_errors, last_error, processing_time,
--- average_processing_time (ns), data. Also when it has ended.
---@return table? stats
---@return string? message
---@return natskit.code? code
function service:stats() end

--- Sets `data` of an endpoint's statistics; nil takes it away.
---@param endpoint integer
---@param value natskit.JsonValue?
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function service:data(endpoint, value) end

--- Sets the statistics to 0, and their begin to now.
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function service:reset() end

--- Asks for no more requests, without waiting: those that were sent before are still given out, then requests ends.
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function service:stop() end

--- The same, and waits until all of them are handled: as service.requests:drain.
---@param timeout? number seconds (30)
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function service:drain(timeout) end

--- Ends it at once, with its subscription. Closing twice is harmless.
---@return boolean ok
function service:close() end

--- Options of nc:discover; also those of nc:request_many.
---@class natskit.DiscoverOptions: natskit.RequestManyOptions
---@field name? string services of this name alone
---@field id? string and the one of this id alone
---@field prefix? string of the subjects for discovery ("$SRV")

---@class natskit.conn
local conn = {}

--- Starts a service.
---@param options natskit.ServiceOptions
---@return natskit.service? service
---@return string? message
---@return natskit.code? code
function conn:service(options) end

--- `for one in nc:discover("ping") do`: what services answer, as tables. Without options it ends when none has answered
--- for 0.3 s, and after 2 s.
---@param verb "ping"|"info"|"stats"
---@param options? natskit.DiscoverOptions
---@return fun(): table?, string?, natskit.code? iterator
---@return nil
---@return nil
---@return natskit.sub answers what `for` closes
function conn:discover(verb, options) end

---@class natskit.msg
local msg = {}

--- Answers a request of a service with an error.
---@param code integer from 1 on
---@param description string sent as one line, cut to 1,024 bytes
---@param data? string
---@param options? natskit.RespondOptions
---@return boolean? ok
---@return string? message
---@return natskit.code? code "no_reply" if nobody waits for it; it is counted all the same
function msg:respond_error(code, description, data, options) end

--- A request of a service is done with, for the statistics; a handler's end says so by itself.
---@return true
function msg:handled() end

--- What a reply says of an error of the service; nil: nothing.
---@return string? description
---@return integer? code
function msg:service_error() end
