import { keepAll } from "./smoke.js"

console.log((await keepAll()).join(", "))
