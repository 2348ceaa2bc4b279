// The HTTP API described for machines: an OpenAPI 3.1 document, in JSON.
#pragma once

#include <string_view>

namespace wayleave {

[[nodiscard]] std::string_view openapi_document();

}  // namespace wayleave
