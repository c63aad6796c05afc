---@meta natskit
--- Annotations (LuaCATS) of the key-value buckets of the Lua module `natskit`. Never loaded at run time.

--- Configuration of a bucket. Fields that are not known are refused.
---@class natskit.KvConfig
---@field bucket string letters, digits, _ and -
---@field description? string
---@field history? integer entries that are kept of each key, 1 to 64 (1)
---@field ttl? number seconds after which entries go (never)
---@field limit_marker_ttl? number seconds for which a marker stands for a key whose last entry has gone by its time; allows times to live of entries
---@field max_bytes? integer
---@field max_value_size? integer
---@field storage? "file"|"memory" ("file")
---@field num_replicas? integer (1)
---@field placement? table as of a stream
---@field republish? table as of a stream
---@field compression? boolean (false)
---@field metadata? table<string, string>

---@class natskit.KvGetOptions: natskit.CallOptions
---@field revision? integer the entry of this revision (the last one)

---@class natskit.KvCreateOptions: natskit.CallOptions
---@field ttl? number seconds, at least 1, after which the entry goes; the bucket has to allow it (limit_marker_ttl)

---@class natskit.KvDeleteOptions: natskit.CallOptions
---@field revision? integer only if this is the revision of the last entry

---@class natskit.KvPurgeOptions: natskit.KvDeleteOptions
---@field ttl? number seconds, at least 1, after which what stands for the purge goes, too

---@class natskit.KvPurgeDeletesOptions: natskit.CallOptions
---@field older_than? number seconds; what stands for a delete goes if it is so old, by this computer's clock; 0 all, math.huge none (1800)

--- Options of kv:watch.
---@class natskit.WatchOptions
---@field keys? string|string[] keys with `*` as a token and `>` as the last one (all)
---@field history? boolean whether it begins with all that is kept of each key, instead of its last entry (false)
---@field updates_only? boolean whether it begins with what comes from now on (false)
---@field from_revision? integer revision that it begins with
---@field ignore_deletes? boolean whether deletes, purges and the server's markers are left out (false)
---@field headers_only? boolean whether values are left out (false)
---@field meta_only? boolean the same
---@field marker? boolean whether a message of kind "status" and type "initial_done" says when all that there was at the begin has come (false)
---@field ends? boolean whether it ends with what there is (false)

--- An entry; a field is made a Lua value when it is read.
---@class natskit.entry
---@field kind "entry" the marker has "status"
---@field bucket string
---@field key string
---@field value string empty for a delete or purge, and where values are left out
---@field length integer bytes of the value, also where it is left out
---@field revision integer its number in the bucket
---@field delta integer entries that a watch has still to deliver
---@field time number when it was stored: seconds since 1970 UTC
---@field time_ns integer the same in nanoseconds
---@field operation "put"|"delete"|"purge" "purge" also for a key that has gone by its time
local entry = {}

--- What the value stands for.
---@return any value
---@return string? message
---@return natskit.code? code "invalid", "limit"
function entry:json() end

--- Gives its memory back at once.
---@return true
function entry:close() end

---@class natskit.js
local js = {}

--- A bucket, without asking whether it exists.
---@param bucket string
---@return natskit.kv? kv
---@return string? message
---@return natskit.code? code "closed"
function js:kv(bucket) end

--- A bucket that exists.
---@param bucket string
---@param options? natskit.CallOptions
---@return natskit.kv? kv
---@return string? message
---@return natskit.code? code "stream_not_found"
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:open_kv(bucket, options) end

--- Makes a bucket. That there is one that is configured alike is no error.
---@param config natskit.KvConfig
---@param options? natskit.CallOptions
---@return natskit.kv? kv
---@return string? message
---@return natskit.code? code "already_exists"
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:create_kv(config, options) end

--- Deletes a bucket with all it holds.
---@param bucket string
---@param options? natskit.CallOptions
---@return true? ok
---@return string? message
---@return natskit.code? code "stream_not_found"
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:delete_kv(bucket, options) end

--- A bucket. Keys hold letters, digits and - / _ = in tokens between single dots; anything else raises.
---@class natskit.kv
---@field bucket string its name
local kv = {}

--- The last entry of a key, or the one of a revision.
---@param key string
---@param options? natskit.KvGetOptions
---@return natskit.entry? entry
---@return string? message
---@return natskit.code? code "key_not_found", "key_deleted", "stream_not_found"
function kv:get(key, options) end

--- Sets the value of a key.
---@param key string
---@param value string
---@param options? natskit.CallOptions
---@return integer? revision
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
---@return string? outcome whether it may be done all the same, as of js:publish
function kv:put(key, value, options) end

--- Sets the value of a key that has none.
---@param key string
---@param value? string
---@param options? natskit.KvCreateOptions
---@return integer? revision
---@return string? message
---@return natskit.code? code "key_exists"
---@return integer? err_code JetStream's number
---@return integer? server_code
---@return string? outcome
function kv:create(key, value, options) end

--- Sets the value if the last entry of the key has this revision; 0: if there is none.
---@param key string
---@param value string
---@param revision integer
---@param options? natskit.CallOptions
---@return integer? revision
---@return string? message
---@return natskit.code? code "wrong_last"
---@return integer? err_code JetStream's number
---@return integer? server_code
---@return string? outcome
function kv:update(key, value, revision, options) end

--- Deletes a key; its history stays.
---@param key string
---@param options? natskit.KvDeleteOptions
---@return integer? revision
---@return string? message
---@return natskit.code? code "wrong_last"
---@return integer? err_code JetStream's number
---@return integer? server_code
---@return string? outcome
function kv:delete(key, options) end

--- Deletes a key with its history.
---@param key string
---@param options? natskit.KvPurgeOptions
---@return integer? revision
---@return string? message
---@return natskit.code? code "wrong_last"
---@return integer? err_code JetStream's number
---@return integer? server_code
---@return string? outcome
function kv:purge(key, options) end

--- Removes what deletes and purges have left: the history of keys without a value, and what stands for the delete.
---@param options? natskit.KvPurgeDeletesOptions
---@return true? ok
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function kv:purge_deletes(options) end

--- `for entry in kv:watch("users.*") do`: entries as they are written, beginning with the last one of each key. The loop
--- ends when the watch is closed, and raises why there can be no more, "stream_not_found" when the bucket was deleted.
--- The first value is a subscription: who keeps it has next, drain, reason and the rest, and closes it.
---@param keys? string|string[]|natskit.WatchOptions
---@param options? natskit.WatchOptions
---@return natskit.sub? watch
---@return string|userdata|nil message what the loop gets
---@return natskit.code? code "closed"
---@return userdata? loop what `for` closes
function kv:watch(keys, options) end

--- The keys that have a value, or those of them that match a filter.
---@param filters? string|string[]
---@param options? natskit.CallOptions
---@return string[]? keys
---@return string? message
---@return natskit.code? code
function kv:keys(filters, options) end

--- All that is kept of a key, the oldest first; of several with `*` and `>`.
---@param key string|string[]
---@param options? natskit.CallOptions
---@return natskit.entry[]? entries
---@return string? message
---@return natskit.code? code
function kv:history(key, options) end

--- The info of the stream behind it: configuration, messages, bytes.
---@param options? natskit.CallOptions
---@return natskit.StreamInfo? info
---@return string? message
---@return natskit.code? code "stream_not_found"
---@return integer? err_code JetStream's number
---@return integer? server_code
function kv:status(options) end

--- Watches live on.
---@return true
function kv:close() end

---@class natskit.WatchInfo
---@field last_revision integer up to which all has come
---@field resets integer consumers that were made after the first
---@field passed integer messages of consumers before, or that came again: passed over
---@field rewinds integer how often the bucket was found to end before that: another of its name, or after a loss
---@field live boolean its consumer is there, as far as is known
---@field initial_done boolean what there was at the begin has come

---@class natskit.sub
local sub = {}

--- How a watch is doing.
---@return natskit.WatchInfo? info
---@return string? message
---@return natskit.code? code "not_found" of other subscriptions, and when it has ended
function sub:watch_info() end
