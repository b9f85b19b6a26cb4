-- One signed webhook after another, each with a delivery id of its own. Arguments: topic, shop domain, body file, hmac.
local counter = 0
local thread_number = 0

function setup(thread)
  thread:set("number", thread_number)
  thread_number = thread_number + 1
end

function init(args)
  local file = io.open(args[3], "rb")
  wrk.method = "POST"
  wrk.body = file:read("*a")
  file:close()
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["X-Shopify-Topic"] = args[1]
  wrk.headers["X-Shopify-Shop-Domain"] = args[2]
  wrk.headers["X-Shopify-Hmac-SHA256"] = args[4]
  wrk.headers["X-Shopify-API-Version"] = "2026-10"
  prefix = args[5] .. "-" .. number .. "-"
end

function request()
  counter = counter + 1
  wrk.headers["X-Shopify-Webhook-Id"] = prefix .. counter
  return wrk.format()
end
