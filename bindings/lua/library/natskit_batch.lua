---@meta _
--- Annotations (LuaCATS) of the Lua module `natskit`: atomic batches, and where messages come from. Never loaded at run
--- time.

---@class natskit.AtomicBatchOptions
---@field max_bytes? integer of its messages, which are kept until they are committed (67108864)

---@class natskit.AtomicBatchInfo
---@field msgs integer
---@field bytes integer
---@field committed boolean a commit was begun

--- Messages that a stream stores together, one behind the other, or not at all (allow_atomic, server 2.12). Nothing is
--- sent before the commit. The end of a <close> variable discards what was not committed. One of kv:batch holds changes
--- of a bucket instead, and has put, create, update, delete and purge in place of add.
---@class natskit.batch
local batch = {}

--- Of js:batch: adds a message, and sends nothing. What a batch may not have raises.
---@param subject string
---@param data? string
---@param options? natskit.StreamPublishOptions without timeout
---@return boolean? ok
---@return string? message
---@return natskit.code? code "limit": too many messages or bytes; "too_large"; "closed": it was committed
function batch:add(subject, data, options) end

--- Of kv:batch: adds a put.
---@param key string
---@param value string
---@return boolean? ok
---@return string? message
---@return natskit.code? code "limit", "too_large", "read_only", "closed": it was committed
function batch:put(key, value) end

--- Of kv:batch: adds the first entry of a key. Where it was deleted or purged, update with the revision of that writes.
---@param key string
---@param value? string
---@param options? {ttl?: number} seconds, at least 1, after which the entry goes
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function batch:create(key, value, options) end

--- Of kv:batch: adds an update, which needs that this is the revision of the key's last entry before the batch.
---@param key string
---@param value string
---@param revision integer 0: there is no entry
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function batch:update(key, value, revision) end

--- Of kv:batch: adds a delete.
---@param key string
---@param options? {revision?: integer} only if this is the revision of the last entry
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function batch:delete(key, options) end

--- Of kv:batch: adds a purge.
---@param key string
---@param options? {revision?: integer, ttl?: number}
---@return boolean? ok
---@return string? message
---@return natskit.code? code
function batch:purge(key, options) end

--- Stores it.
---@param timeout? number seconds (that of the context)
---@return natskit.PubAck|integer[]|nil ack with batch and count; seq of its last message. Of kv:batch: the revisions, one for each change
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
---@return string? outcome only with "unknown" it may be stored all the same
function batch:commit(timeout) end

--- How much is in it.
---@return natskit.AtomicBatchInfo? info
---@return string? message
---@return natskit.code? code
function batch:info() end

--- Forgets the messages. Harmless after a commit, and more than once.
function batch:discard() end

---@class natskit.IngestOptions
---@field on_gap? "fail"|"go_on" what a message that is refused or does not come does ("fail")
---@field flow? integer messages between two acks at most (500)
---@field max_outstanding? integer acks that may be under way (2)
---@field ack_wait? number seconds without an answer after which it ends (10)
---@field ack_wait_ms? integer the same in milliseconds
---@field max_untaken? integer failures that may wait to be taken (65536)

---@class natskit.IngestInfo
---@field published integer number of the last message
---@field acked integer all up to this number are in the stream, but those of gaps and refused ones
---@field refused integer
---@field lost integer messages of gaps
---@field window integer messages that may be under way at present
---@field pings integer how often the stream was asked where it is
---@field untaken integer failures
---@field committed boolean a commit was begun
---@field reason? natskit.code what it has ended with

--- Many messages to one stream, in their order, that it acks by and by (allow_batched, server 2.14). The end of a
--- <close> variable commits, and raises if a message is not stored; after an error in the scope it only closes.
---@class natskit.ingest
local ingest = {}

--- Publishes a message. Waits while as many are under way as the stream takes.
---@param subject string
---@param data? string
---@param options? natskit.StreamPublishOptions
---@return integer? number 1 for the first
---@return string? message
---@return natskit.code? code
function ingest:publish(subject, data, options) end

--- Ends it, and waits until all is stored.
---@param timeout? number seconds (that of the context)
---@return natskit.PubAck? ack with batch and count; seq of the last message in the stream
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
---@return string? outcome "unknown": nobody knows of the messages behind info().acked
function ingest:commit(timeout) end

--- for number, _, code, text in fast:failures() do: what is not stored; of a gap its first message.
---@param timeout? number seconds for each
---@return fun(): integer?, nil, natskit.code?, string?
function ingest:failures(timeout) end

--- The next of them as a table, with count, of a gap its messages.
---@param timeout? number seconds
---@return natskit.Outcome? failure
---@return string? message
---@return natskit.code? code
function ingest:next_failure(timeout) end

--- How far it has come.
---@return natskit.IngestInfo? info
---@return string? message
---@return natskit.code? code
function ingest:info() end

--- Without a commit what is under way may be stored or not.
---@return true
function ingest:close() end

--- Where a message comes from.
---@class natskit.Origin
---@field stream? string that published it again, or a direct get's
---@field subject? string it has there
---@field seq? integer there
---@field last_seq? integer of the message of that subject before it
---@field time_ns? integer when it was stored there
---@field size? integer bytes of data that were left out
---@field source_stream? string that the stream has taken it from
---@field source_seq? integer there
---@field source_filter? string
---@field source_transform? string
---@field source_subject? string it had there
---@field marker? "MaxAge"|"Purge"|"Remove" it stands for messages that went so
---@field scheduler? string subject of the schedule that has made it
---@field schedule_next? string when the next one is made, or "purge"
---@field increment? string of a counter
---@field counter_sources? string JSON

---@class natskit.msg
local msg = {}

--- Where it comes from, by headers that servers write: what is told, and nothing else.
---@return natskit.Origin? origin
---@return string? message
---@return natskit.code? code "not_found": no header tells
function msg:origin() end

--- The value of a stored counter, and what was added up of other streams: {STREAM = {subject = value}}, if it has sources.
---@return integer|string|nil value digits where an integer is too small
---@return table<string, table<string, integer|string>>|string|nil sources or why there is no value
---@return natskit.code? code "not_found": it is none
function msg:counter() end
