#include "collection/planner.hpp"

#include <utility>
#include <variant>

#include "anear/index/any_index.hpp"
#include "collection/prepare.hpp"
#include "collection/schema.hpp"

namespace anear {
namespace {

/// Comparing so few is always the better plan.
constexpr std::size_t kComparedAtMost = 1'000;

/// A walk under a filter passes through what it may not return: for each match it keeps it compares
/// about (links it follows) / (share of matches) codes. Comparing all matches costs their number.
bool is_comparing_cheaper(std::size_t matches, double share, std::size_t effort,
                          std::size_t links) {
  const double walk = static_cast<double>(effort) * static_cast<double>(links) / share;
  return static_cast<double>(matches) <= walk;
}

bool is_searched_exactly(const Query& query, const AnyIndex& index, std::size_t matches) {
  if (query.recall >= 1.0F || index.is_flat()) return true;
  if (matches <= kComparedAtMost) return true;
  if (query.effort == 0 && index.is_calibration_overdue()) return true;  // Soon it is not.
  if (matches == index.size()) return false;
  return std::visit(
      [&](const auto& of_kind) {
        if constexpr (requires { of_kind.options().links_max; }) {
          const double share =
              static_cast<double>(matches) / static_cast<double>(std::max(index.size(), matches));
          const std::size_t effort =
              query.effort != 0 ? query.effort : of_kind.effort_for(query.recall, query.k, share);
          return is_comparing_cheaper(matches, share, effort, of_kind.options().links_max);
        } else {
          return false;
        }
      },
      index.variant());
}

Status check_query(const Query& query) {
  if (query.legs.size() != 1) {
    return invalid_argument(
        "a query has exactly one leg, this one has " + std::to_string(query.legs.size()),
        Subcode::kCountMismatch);
  }
  return check_options({.k = query.k, .recall = query.recall});
}

/// The record that a leg names becomes the query, and is not among the answers.
Status take_own_row(const Leg& leg, const CollectionState& collection, const View& view,
                    Plan& plan) {
  const RecordReader reader(collection, view);
  const std::string_view key = leg.key;
  const auto slot = reader.slots_of({&key, 1});
  if (!slot) return slot.error();
  if (!slot->front())
    return Error{ErrorCode::kNotFound, "there is no record " + quoted(leg.key) + " to be near to"};
  auto row = reader.row(*slot->front(), plan.vector);
  if (!row) return std::move(row).error();
  if (row->bytes.empty()) {
    return invalid_argument("record " + quoted(leg.key) + " has no vector '" +
                            collection.schema.vectors[plan.vector].name + "'");
  }
  plan.own_row = std::move(*row);
  if (!plan.matches) plan.matches = view->live;
  plan.matches->remove(*slot->front());
  return {};
}

}  // namespace

const char* Plan::name(const AnyIndex& index) const noexcept {
  if (index.is_flat()) return "flat scan";
  if (exact) return "exact scan of the matches";
  if (index.ivf_pq() != nullptr) return matches ? "filtered inverted lists" : "inverted lists";
  return matches ? "filtered graph walk" : "graph walk";
}

Result<Plan> plan_batch(const Query& query, const CollectionState& collection, const View& view) {
  if (Status status = check_query(query); !status) return std::move(status).error();
  Plan plan;
  const auto vector = vector_number(collection.schema, query.legs.front().vector);
  if (!vector) return vector.error();
  plan.vector = *vector;
  if (!query.filter.text.empty()) {
    const auto filter = bind_filter(query.filter, collection);
    if (!filter) return filter.error();
    if (!filter->matches_all()) {
      auto matches = RecordReader(collection, view).matching(*filter);
      if (!matches) return std::move(matches).error();
      plan.matches = std::move(*matches);
    }
  }
  const AnyIndex& index = *view->vectors[plan.vector].index;
  plan.exact = is_searched_exactly(query, index, plan.wanted(view).count());
  return plan;
}

Result<Plan> plan_search(const Query& query, const CollectionState& collection, const View& view) {
  auto plan = plan_batch(query, collection, view);
  if (!plan) return plan;
  const Leg& leg = query.legs.front();
  if (!leg.key.empty()) {
    if (Status status = take_own_row(leg, collection, view, *plan); !status)
      return std::move(status).error();
  }
  plan->query = leg.key.empty() ? leg.query : plan->own_row.view();
  return plan;
}

}  // namespace anear
