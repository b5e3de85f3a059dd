// Asks a running server for a customer's list at a store:
//   npm start -- HOST:PORT CUSTOMER STORE
import { credentials, Metadata, status, type ServiceError } from "@grpc/grpc-js";
import {
  RecommendRequest,
  RecommendationServiceClient,
  strategyToJSON,
  type RecommendResponse,
} from "./gen/recsvc/v1/recommendation_service.js";

const [target = "127.0.0.1:50051", customerId = "", storeId = ""] = process.argv.slice(2);

const client = new RecommendationServiceClient(target, credentials.createInsecure());
const request = RecommendRequest.fromPartial({
  shopper: { customerId },
  context: { location: { storeId } },
  pageSize: 5,
  explain: true,
  includeProducts: true,
});

function show(error: ServiceError | null, response?: RecommendResponse): void {
  if (error || !response) {
    console.error(`${status[error?.code ?? status.UNKNOWN]}: ${error?.details}`);
    process.exitCode = 1;
  } else {
    for (const { rank, product, productId, strategy, explanation } of response.recommendations) {
      console.log(rank, product?.title || productId, strategyToJSON(strategy), explanation?.text);
    }
    console.log("warnings:", response.serving?.warnings.join(", ") || "none");
  }
  client.close();
}

client.recommend(request, new Metadata(), { deadline: Date.now() + 500 }, show);
