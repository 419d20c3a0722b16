/**
 * The parts of the script are made when they are first needed: making functions takes time in every call, and most calls
 * need few of them. Inside of a function that makes them it also takes less.
 */
export const modules = `
local modules, made = {}, {}

local function use(name)
  local module = made[name]
  if not module then
    module = modules[name]()
    made[name] = module
  end
  return module
end
`
