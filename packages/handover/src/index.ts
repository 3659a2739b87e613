export {
  ANSWER_MS,
  type GiverEffect,
  type GiverInput,
  type GiverOptions,
  type GiverState,
  type Offer,
  giverStart,
  giverStep,
} from "./giver.ts";
export { type Kind, MAX_MESSAGE_BYTES, MAX_PIECE_FDS, MAX_WINDOW, type Versions, agreeOn } from "./messages.ts";
export {
  type TakerEffect,
  type TakerInput,
  type TakerOptions,
  type TakerState,
  takerStart,
  takerStep,
} from "./taker.ts";
