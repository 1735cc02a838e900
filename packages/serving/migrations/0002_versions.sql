-- Deployments from before variants, secondary models and fallback chains: they have none, and say so.
update serving.deployments
set route = route || '{"variants": [], "secondary": null, "cache": null}'::jsonb
where not (route ? 'variants');

update serving.deployments
set request = (request - 'fallback') || jsonb_build_object(
  'fallbacks',
  case when request -> 'fallback' ->> 'kind' = 'fixed' then jsonb_build_array(request -> 'fallback') else '[]'::jsonb end
)
where request ? 'fallback';
