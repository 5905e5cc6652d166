// Searches of a collection, and hits.
#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "anear.h"
#include "anear/collection/collection.hpp"
#include "guard.hpp"
#include "handles.hpp"
#include "inputs.hpp"
#include "sized.hpp"

using anear::Collection;
using anear::Error;
using anear::Result;
using anear::Status;
using anear::Subcode;
using namespace anear::c;  // NOLINT(google-build-using-namespace): its own half.

namespace {

/// The query with its one leg's vector or key.
Result<anear::Query> one_leg(const anear_query& given) {
  auto query = query_of(given);
  if (!query) return query;
  const bool by_key = !query->legs.front().key.empty();
  if (by_key == (given.queries.rows != 0))
    return anear::invalid_argument("a search takes either queries or a key");
  if (by_key) return query;
  const auto rows = matrix_of(given.queries, "queries");
  if (!rows) return rows.error();
  if (rows->rows() != 1) {
    return anear::invalid_argument("anear_collection_search() takes one query, got " +
                                       std::to_string(rows->rows()) +
                                       "; use anear_collection_search_into()",
                                   Subcode::kCountMismatch);
  }
  query->legs.front().query = rows->row(0);
  return query;
}

std::optional<anear_explain> explain_of(const std::optional<anear::Explain>& given) {
  if (!given) return std::nullopt;
  anear_explain explain{};
  explain.struct_size = sizeof explain;
  explain.plan = given->plan.c_str();
  explain.live = given->live;
  explain.matches = given->matches;
  explain.tail = given->tail;
  explain.distances = given->distances;
  explain.hops = given->hops;
  explain.reranked = given->reranked;
  explain.filter_micros = given->filter_micros;
  explain.search_micros = given->search_micros;
  explain.fetch_micros = given->fetch_micros;
  explain.sequence = given->sequence;
  explain.indexed_sequence = given->indexed_sequence;
  return explain;
}

std::unique_ptr<anear_hits> handle_of(anear::Hits answer) {
  auto handle = std::make_unique<anear_hits>();
  handle->answer = std::move(answer);
  const auto& hits = handle->answer.hits;
  handle->views.reserve(hits.size());
  handle->hits.reserve(hits.size());
  for (const anear::Hit& hit : hits) {
    handle->hits.push_back(
        {sizeof(anear_hit), hit.distance, hit.score, hit.relevance, handle->views.add(hit.record)});
  }
  handle->explain = explain_of(handle->answer.explain);
  return handle;
}

/// The answer to a search by key in the shape of a batch of one.
anear::BatchHits batch_of_one(anear::Hits answer, std::size_t k) {
  anear::BatchHits batch;
  batch.k = k;
  batch.sequence = answer.sequence;
  batch.keys.resize(k);
  batch.distances.resize(k, std::numeric_limits<float>::infinity());
  batch.found.push_back(static_cast<std::uint32_t>(answer.hits.size()));
  for (std::size_t i = 0; i < answer.hits.size(); ++i) {
    batch.keys[i] = std::move(answer.hits[i].record.key);
    batch.distances[i] = answer.hits[i].distance;
  }
  return batch;
}

Result<anear::BatchHits> search_rows(const Collection& collection, const anear_query& given) {
  if (Status status = check_flags(given.parts, 0, "parts"); !status)
    return std::move(status).error();
  auto query = query_of(given);
  if (!query) return std::move(query).error();
  query->parts.fields = false;
  if (!query->legs.front().key.empty()) {
    if (given.queries.rows != 0)
      return anear::invalid_argument("a search takes either queries or a key");
    auto hits = collection.search(*query);
    if (!hits) return std::move(hits).error();
    return batch_of_one(std::move(*hits), query->k);
  }
  const auto threads = threads_of(given.threads);
  if (!threads) return threads.error();
  const auto rows = matrix_of(given.queries, "queries");
  if (!rows) return rows.error();
  return collection.search_batch(*rows, *query, *threads);
}

/// `answers` is a copy of the caller's struct; its arrays are the caller's.
Status copy_into(const anear::BatchHits& batch, anear_answers& answers) {
  answers.key_bytes_used = 0;
  for (const std::string& key : batch.keys) answers.key_bytes_used += key.size();
  if (answers.key_offsets != nullptr && answers.key_bytes_used > answers.key_bytes_max) {
    return Error{anear::ErrorCode::kLimitExceeded,
                 "the keys need " + std::to_string(answers.key_bytes_used) +
                     " bytes, key_bytes_max is " + std::to_string(answers.key_bytes_max)};
  }
  if (answers.distances != nullptr)
    std::copy(batch.distances.begin(), batch.distances.end(), answers.distances);
  if (answers.found != nullptr) std::copy(batch.found.begin(), batch.found.end(), answers.found);
  answers.sequence = batch.sequence;
  if (answers.key_offsets == nullptr) return {};
  std::size_t offset = 0;
  for (std::size_t i = 0; i < batch.keys.size(); ++i) {
    answers.key_offsets[i] = offset;
    if (!batch.keys[i].empty())
      std::memcpy(answers.key_bytes + offset, batch.keys[i].data(), batch.keys[i].size());
    offset += batch.keys[i].size();
  }
  answers.key_offsets[batch.keys.size()] = offset;
  return {};
}

}  // namespace

int32_t anear_collection_search(const anear_collection* collection, const anear_query* query,
                                anear_hits** hits, anear_error* error) {
  reset(hits);
  return guard(error, [&]() -> Status {
    if (Status status = required({{collection, "collection"}, {query, "query"}, {hits, "hits"}});
        !status)
      return status;
    const auto given = read_sized(query, "anear_query");
    if (!given) return given.error();
    auto request = one_leg(*given);
    if (!request) return std::move(request).error();
    auto parts = parts_of({given->parts, given->field_names, given->field_name_count},
                          kPartsOfRecords | ANEAR_WITH_EXPLAIN);
    if (!parts) return std::move(parts).error();
    request->parts = std::move(*parts);
    auto answer = collection->collection.search(*request);
    if (!answer) return std::move(answer).error();
    *hits = handle_of(std::move(*answer)).release();
    return {};
  });
}

int32_t anear_collection_search_into(const anear_collection* collection, const anear_query* query,
                                     anear_answers* answers, anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status =
            required({{collection, "collection"}, {query, "query"}, {answers, "answers"}});
        !status)
      return status;
    const auto given = read_sized(query, "anear_query");
    if (!given) return given.error();
    auto into = read_sized(answers, "anear_answers");
    if (!into) return into.error();
    if (Status status = check_flags(into->flags, 0, "flags of answers"); !status) return status;
    if (into->key_bytes == nullptr && into->key_bytes_max != 0) return null_argument("key_bytes");
    const auto batch = search_rows(collection->collection, *given);
    if (!batch) return batch.error();
    Status copied = copy_into(*batch, *into);
    if (Status written = write_sized(*into, answers, "anear_answers"); !written) return written;
    return copied;
  });
}

size_t anear_hits_size(const anear_hits* hits) { return hits == nullptr ? 0 : hits->hits.size(); }

const anear_hit* anear_hits_at(const anear_hits* hits, size_t index) {
  return index < anear_hits_size(hits) ? &hits->hits[index] : nullptr;
}

uint64_t anear_hits_sequence(const anear_hits* hits) {
  return hits == nullptr ? 0 : hits->answer.sequence;
}

const anear_explain* anear_hits_explain(const anear_hits* hits) {
  return hits == nullptr || !hits->explain ? nullptr : &*hits->explain;
}

void anear_hits_free(anear_hits* hits) { delete hits; }
