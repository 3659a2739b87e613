export {
  type AdminRequest,
  type HttpServer,
  type Reply,
  type Route,
  type Routes,
  jsonReply,
  serveHttp,
} from "./serve-http.ts";
