-- What a store does at each call, as one script; rules.py has the same in Python.
-- ARGV[1]: the operation. ARGV[2]: its arguments as JSON. KEYS: see redis.py.
-- Rows are JSON. They end by Redis's clock: "ends" says when, and the key expires.

local KEEP = 62 * 86400
local DAY = 86400

local a = cjson.decode(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000 + a.shift

local function get(key)
  local text = redis.call('GET', key)
  if not text then return nil end
  local row = cjson.decode(text)
  if row.ends and row.ends <= now then return nil end
  return row
end

local function put(key, row, seconds)
  if seconds then
    row.ends = now + seconds
    redis.call('SET', key, cjson.encode(row), 'PX', math.ceil(seconds * 1000))
  else
    redis.call('SET', key, cjson.encode(row))
  end
end

-- Clearances and leases

local function count(key, known)
  local counter = get(key) or {number = 0}
  local number = math.max(counter.number, known) + 1
  put(key, {number = number}, KEEP)
  return number
end

local function hold(key, number)
  put(key, {owner = a.owner, number = number}, a.lease_seconds)
end

local function holds(key)
  local row = get(key)
  return row and row.owner == a.owner and row.number == a.number
end

-- Note a session in the index, until the last of what is known of it ends.
local function index(key, session, seconds)
  local ends = math.max(now + seconds, tonumber(redis.call('ZSCORE', key, session)) or 0)
  redis.call('ZADD', key, string.format('%.3f', ends), session)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.3f', now))
  redis.call('EXPIRE', key, KEEP)
end

local ops = {}

function ops.open()
  put(KEYS[1], {}, 1)
  return true
end

function ops.take()
  local counter, kept, lease = KEYS[1], KEYS[2], KEYS[3]
  local clearance = get(kept)
  if clearance and a.ended and clearance.generation == a.known then
    redis.call('DEL', kept)
    clearance = nil
  end
  if clearance and clearance.generation > a.known then
    return {clearance = clearance}
  end
  local held = get(lease)
  if held and held.owner ~= a.owner then
    return {busy = held.ends - now}
  end
  local number = held and held.number or count(counter, a.known)
  hold(lease, number)
  return {lease = number}
end

function ops.renew()
  if not holds(KEYS[1]) then return false end
  hold(KEYS[1], a.number)
  return true
end

function ops.publish()
  local counter, kept, lease, sessions = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
  if not holds(lease) then
    local row = get(kept)
    if not row or row.owner ~= a.owner or row.number ~= a.number then
      return false
    end
    return {row.generation, row.earned_at} -- the reply was lost
  end
  redis.call('DEL', lease)
  local row = {
    generation = count(counter, 0),
    earned_at = now,
    owner = a.owner,
    number = a.number,
    payload = a.payload,
  }
  put(kept, row, a.seconds)
  index(sessions, a.session, a.seconds)
  return {row.generation, row.earned_at}
end

function ops.give_up()
  if holds(KEYS[1]) then redis.call('DEL', KEYS[1]) end
  return true
end

-- Money

local function period_number()
  local days = math.floor(now / DAY)
  if a.period == 'day' then return days end
  if a.period ~= 'month' then return 0 end
  -- The civil calendar, counted in eras of 400 years that begin in March.
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524)
    - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local march = math.floor((5 * doy + 2) / 153)
  local month = march < 10 and march + 3 or march - 9
  return (yoe + era * 400 + (month <= 2 and 1 or 0)) * 12 + month
end

-- Return the number of the period, which never goes back, and its tasks.
local function spent(key, seen)
  local period = period_number()
  local row = get(key)
  if not row then
    if seen and seen[1] >= period then return seen[1], seen[2] end
    return period, 0
  end
  if row.period >= period then return row.period, row.tasks end
  return period, 0
end

local function spend(key, period, tasks)
  put(key, {period = period, tasks = tasks}, a.period ~= 'ever' and KEEP or nil)
end

local function breaker_of(key)
  local row = get(key) or {failures = 0, accepted = false, failed_at = 0, pending = {}}
  local pending = 0
  for task, ends in pairs(row.pending) do
    if ends > now then
      pending = pending + 1
    else
      row.pending[task] = nil
    end
  end
  return row, pending
end

local function refused(breaker, pending)
  local limit, sure = a.max_failures, breaker.failures + pending
  if breaker.accepted then
    limit, sure = a.max_failures * a.trusted_factor, breaker.failures
  end
  if sure < limit then return nil end
  if pending > 0 then return {reason = 'pending', count = pending, seconds = 0} end
  local left = breaker.failed_at + a.cooldown - now
  if left > 0 then
    return {reason = 'breaker', count = breaker.failures, seconds = left}
  end
  return nil -- one task, which tells whether the site accepts tokens now
end

local function settle(key, verdict)
  local breaker = breaker_of(key)
  if not breaker.pending[a.task] then return end -- repeated, or too late
  breaker.pending[a.task] = nil
  if verdict == 'accepted' then
    breaker.accepted, breaker.failures = true, 0
  elseif verdict == 'failed' then
    breaker.failures, breaker.failed_at = breaker.failures + 1, now
  end
  put(key, breaker, KEEP)
end

function ops.reserve()
  local task, budget, site = KEYS[1], KEYS[2], KEYS[3]
  local period, tasks = spent(budget, a.seen)
  if get(task) then return {spent = {period, tasks}} end -- the reply was lost
  if a.max_tasks > 0 and tasks >= a.max_tasks then
    return {refusal = {reason = 'budget', count = tasks, seconds = 0}}
  end
  local breaker, pending = breaker_of(site)
  local refusal = refused(breaker, pending)
  if refusal then return {refusal = refusal} end
  breaker.pending[a.task] = now + a.pending_seconds
  put(site, breaker, KEEP)
  spend(budget, period, tasks + 1)
  put(task, {period = period}, 2 * a.pending_seconds)
  return {spent = {period, tasks + 1}}
end

function ops.refund()
  local task, budget, site = KEYS[1], KEYS[2], KEYS[3]
  local row = get(task)
  if not row then return true end -- repeated, or too late
  redis.call('DEL', task)
  local period, tasks = spent(budget)
  if row.period == period and tasks > 0 then spend(budget, period, tasks - 1) end
  settle(site, 'void')
  return true
end

function ops.verdict()
  settle(KEYS[1], a.verdict)
  return true
end

-- Facts

function ops.tell()
  put(KEYS[1], {text = a.text, told_at = now}, a.seconds)
  if KEYS[2] then index(KEYS[2], a.subject, a.seconds) end
  return true
end

function ops.ask()
  local row = get(KEYS[1])
  if not row then return false end
  return {text = row.text, age = now - row.told_at, seconds = row.ends - now}
end

-- Tools

function ops.sessions()
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.3f', now))
  return redis.call('ZRANGE', KEYS[1], 0, -1)
end

function ops.read()
  local rows = {}
  for place, key in ipairs(KEYS) do
    local row = get(key)
    if row then row.left = row.ends - now end
    rows[place] = row or false
  end
  return rows
end

return cjson.encode(ops[ARGV[1]]())
