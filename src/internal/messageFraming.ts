/**
 * What OpenAI's messages cost besides their texts, in tokens. Where each comes from is said in `TokenCounter`, which
 * shows them to users.
 */
export const tokensPerMessage = 3

export const tokensPerName = 1

export const tokensPerReply = 3

export const tokensPerToolCall = 8

export const tokensPerOtherPart = 1_445
