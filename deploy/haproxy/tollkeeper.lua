-- HAProxy's Lua asks Tollkeeper about a call and keeps the verdict in variables of the transaction:
--   txn.tollkeeper_status   200, or what the caller gets: 401, 403, 429; 503 when Tollkeeper did not answer
--   txn.tollkeeper_code     the reason's code
--   txn.tollkeeper_key_id   the key's id, never the key; also _account and _plan
-- HAProxy 2.6 or later, with Lua (haproxy -vv | grep LUA).

local authorize = os.getenv("TOLLKEEPER_AUTHORIZE") or "http://127.0.0.1:8080/v1/authorize"
local passed_on = { "x-api-key", "authorization", "user-agent" }
local kept = { code = "x-tollkeeper-code", key_id = "x-tollkeeper-key-id", account = "x-tollkeeper-account", plan = "x-tollkeeper-plan" }

local function first(values)
  return values and (values[0] or values[1])
end

core.register_action("tollkeeper", { "http-req" }, function(txn)
  local sent = { ["x-forwarded-for"] = { txn.f:src() } }
  local headers = txn.http:req_get_headers()
  for _, name in ipairs(passed_on) do
    local value = first(headers[name])
    if value then sent[name] = { value } end
  end
  local answer = core.httpclient():get{ url = authorize, headers = sent, timeout = 500 }
  local status = answer and answer.status or 0
  if status ~= 200 and status ~= 401 and status ~= 403 and status ~= 429 then status = 503 end
  txn:set_var("txn.tollkeeper_status", status)
  for name, header in pairs(kept) do
    local value = answer and answer.headers and first(answer.headers[header])
    if value then txn:set_var("txn.tollkeeper_" .. name, value) end
  end
end)
