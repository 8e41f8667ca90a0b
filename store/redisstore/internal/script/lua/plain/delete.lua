-- KEYS k      reply 1 something was there | 0
return redis.call('DEL',KEYS[1])
