select a.order_id, b.status
from {{ ref('promised', v=1) }} a join {{ ref('promised') }} b using (order_id)
