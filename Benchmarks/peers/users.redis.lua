-- Users ARGV[1] to ARGV[2], each with a connected slot.
for number = tonumber(ARGV[1]), tonumber(ARGV[2]) do
    local user = string.format('user%012d', number)
    redis.call('HSET', user, 's', '2', 'c', number + 1, 'n', '0-0')
end
