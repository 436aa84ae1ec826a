-- The same as reconnect.redis.lua with every part of an entry in a field of its own.
local call = redis.call
local user = KEYS[1]
local held = call('HMGET', user, 's', 'c', 'n')
if held[1] ~= '2' then return redis.error_reply('NOTCONNECTED ' .. user) end
local slot = held[2]
local gone = call('XADD', 'events', '*', 'k', '2', 'u', user, 'c', slot, 's', held[3])
local deadline = string.sub(gone, 1, 10) + 90
call('XADD', 'events', '*', 'k', '3', 'u', user, 'c', slot, 'd', deadline)
local session = call('XADD', 'events', '*', 'k', '4', 'u', user, 'c', slot)
call('HSET', user, 'n', session)
return session
