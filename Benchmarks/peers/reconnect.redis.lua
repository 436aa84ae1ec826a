-- One reconnect: the client of a user who holds a connected slot vanishes, applies again and gets
-- a new session. KEYS[1] is the user; its hash has s (state), c (concurrency) and n (session). An
-- entry of the stream is one field: kind, user, concurrency, then what the kind needs. The id that
-- the stream gives the third entry names the session.
local call = redis.call
local user = KEYS[1]
local held = call('HMGET', user, 's', 'c', 'n')
if held[1] ~= '2' then return redis.error_reply('NOTCONNECTED ' .. user) end
local who = ' ' .. user .. ' ' .. held[2]
local gone = call('XADD', 'events', '*', 'e', '2' .. who .. ' ' .. held[3])
-- The seconds of the entry's own time, and the window.
call('XADD', 'events', '*', 'e', '3' .. who .. ' ' .. string.sub(gone, 1, 10) + 90)
local session = call('XADD', 'events', '*', 'e', '4' .. who)
call('HSET', user, 'n', session)
return session
