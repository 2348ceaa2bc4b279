#include "daemon/edge/certificate.h"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include <array>
#include <ctime>
#include <memory>
#include <string_view>

#include "daemon/base/json_writer.h"
#include "dsl/text/text.h"

namespace wayleave {

namespace {

constexpr size_t most_bytes = 8192;  // as for any token

struct FreeOpenssl {
    void operator()(unsigned char* bytes) const noexcept { OPENSSL_free(bytes); }
    void operator()(GENERAL_NAMES* names) const noexcept { GENERAL_NAMES_free(names); }
};

std::string hex(const unsigned char* bytes, size_t size) {
    return dsl::hex_text({reinterpret_cast<const char*>(bytes), size});
}

std::optional<std::string> utf8(const ASN1_STRING* text) {
    unsigned char* raw = nullptr;
    const int size = ASN1_STRING_to_UTF8(&raw, text);
    const std::unique_ptr<unsigned char, FreeOpenssl> bytes(raw);
    if (size < 0) return std::nullopt;
    return std::string(reinterpret_cast<const char*>(raw), static_cast<size_t>(size));
}

bool append_name(std::string& out, const X509_NAME* name) {
    out += '{';
    for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
        const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
        const int kind = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
        const auto value = utf8(X509_NAME_ENTRY_get_data(entry));
        if (!value) return false;
        if (out.back() != '{') out += ',';
        append_json(out, kind == NID_undef ? "unknown" : OBJ_nid2sn(kind));
        out += ':';
        append_json(out, *value);
    }
    out += '}';
    return true;
}

// The subject's common name, if it has exactly one.
std::optional<std::string> common_name(const X509_NAME* name) {
    const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0) return std::nullopt;
    return utf8(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
}

void append_alternatives(std::string& out, const GENERAL_NAMES* names, int type, std::string_view label) {
    append_json(out, label);
    out += ":[";
    for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
        if (name->type != type) continue;
        const ASN1_STRING* text = name->d.ia5;  // the same member for all three types
        if (out.back() != '[') out += ',';
        append_json(out, {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                          static_cast<size_t>(ASN1_STRING_length(text))});
    }
    out += ']';
}

std::string seconds(const ASN1_TIME* time) {
    std::tm parts{};
    return ASN1_TIME_to_tm(time, &parts) == 1 ? std::to_string(timegm(&parts)) : "0";
}

}  // namespace

std::optional<std::string> claims_of_certificate(const x509_st* certificate) {
    std::string out = "{";
    if (const auto name = common_name(X509_get_subject_name(certificate))) {
        out += "\"sub\":";
        append_json(out, *name);
        out += ',';
    }
    out += "\"subject\":";
    if (!append_name(out, X509_get_subject_name(certificate))) return std::nullopt;
    out += ",\"issuer\":";
    if (!append_name(out, X509_get_issuer_name(certificate))) return std::nullopt;
    const std::unique_ptr<GENERAL_NAMES, FreeOpenssl> names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    out += ",\"san\":{";
    append_alternatives(out, names.get(), GEN_DNS, "dns");
    append_alternatives(out += ',', names.get(), GEN_EMAIL, "email");
    append_alternatives(out += ',', names.get(), GEN_URI, "uri");
    const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate);
    out += "},\"serial\":\"" +
           hex(ASN1_STRING_get0_data(serial), static_cast<size_t>(ASN1_STRING_length(serial)));
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) return std::nullopt;
    out += "\",\"fingerprint\":\"" + hex(digest.data(), size) +
           "\",\"nbf\":" + seconds(X509_get0_notBefore(certificate)) +
           ",\"exp\":" + seconds(X509_get0_notAfter(certificate)) + "}";
    if (out.size() > most_bytes) return std::nullopt;
    return out;
}

}  // namespace wayleave
