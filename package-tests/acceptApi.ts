/** `npm run api:accept` */
import { accept } from "./api.ts"

accept()
console.log("package-tests/api is what the sources declare now. Say in CHANGELOG.md what it means for users.")
